import type { Dataset } from '@ddpm/datasets';
import { readExamples } from '@ddpm/datasets';
import { Random } from '@ddpm/random';
import type { Arrays, Batch, Task } from '@ddpm/train';
import type { Run } from '../prepare';
import { exampleOf, useWeights } from '../prepare';
import type { Reporter } from '../reporter';
import type { Observer, Tolerate } from './observer';
import { isDue } from './observer';

/** Images scored at a time. */
const BATCH = 64;

/**
 * Measures the task's own loss on the held-out images now and then, by the averaged weights, and keeps the best
 * weights.
 * @param options.least the least loss so far
 * @param options.keep keeps the weights as they are after so many steps, with their loss
 */
export function validation(
  run: Run,
  {
    least,
    keep,
    reporter,
    tolerate,
  }: {
    least: () => number | Promise<number>;
    keep: (done: number, loss: number) => Promise<void>;
    reporter: Reporter;
    tolerate: Tolerate;
  },
): Observer {
  const { validation: dataset, execution, settings, stepsPerEpoch, learner, training } = run;
  if (!dataset) return {};
  const { validation: task = training.task } = training;
  let best: number | undefined;
  let losses: Awaited<ReturnType<typeof execution.losses>> | undefined;
  return {
    async step({ done, last, measured }) {
      if (!last && !isDue(settings.validateEvery ?? stepsPerEpoch, done)) return;
      await useWeights(learner);
      losses ??= await execution.losses(task, await exampleOf(task, dataset, Math.min(BATCH, dataset.size)));
      const { loss, ...terms } = await meanLosses(losses, task, dataset);
      // Without weights, what is unweighted is the loss.
      const others = Object.fromEntries(Object.entries(terms).filter(([, value]) => value !== loss));
      measured.validationLoss = loss;
      for (const [name, value] of Object.entries(others)) measured[`validation/${name}`] = value;
      best ??= await least();
      const better = loss < best;
      if (better) {
        best = loss;
        await tolerate(() => keep(done, loss));
      }
      const also = Object.entries(others).map(([name, value]) => `, ${name} ${value.toFixed(4)}`);
      reporter.say(
        `Validation loss after ${done} steps: ${loss.toFixed(4)}${better ? ' (best so far)' : ''}${also.join('')}`,
      );
    },
    close: () => losses?.dispose(),
  };
}

/**
 * The mean losses over a dataset, by name. An image always gets the same of what is drawn, so that the numbers can be
 * compared between steps and runs.
 */
export async function meanLosses(
  losses: (inputs: Batch) => Promise<Arrays>,
  task: Task,
  dataset: Dataset,
): Promise<{ readonly loss: number } & Readonly<Record<string, number>>> {
  const sums: { loss: number } & Record<string, number> = { loss: 0 };
  for (let start = 0; start < dataset.size; start += BATCH) {
    const indices = Int32Array.from({ length: Math.min(BATCH, dataset.size - start) }, (_, i) => start + i);
    const inputs = task.draw(await readExamples(dataset, indices), new Random(['validation', start]));
    for (const [name, values] of await losses(inputs))
      sums[name] = values.reduce((sum, value) => sum + value, sums[name] ?? 0);
  }
  for (const name of Object.keys(sums)) sums[name] /= dataset.size;
  return sums;
}
