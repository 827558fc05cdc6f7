import type { Dataset } from '@ddpm/datasets';
import { readExamples } from '@ddpm/datasets';
import { Random } from '@ddpm/random';
import type { Arrays, Batch, Task } from '@ddpm/train';
import type { Identity } from '../checkpoint';
import { bestLoss, checkpointOf, saveBest } from '../checkpoint';
import type { MetricsFile } from '../metrics';
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
 */
export function validation(
  run: Run,
  {
    folder,
    identity,
    metrics,
    reporter,
    tolerate,
  }: { folder: string; identity: Identity; metrics: MetricsFile; reporter: Reporter; tolerate: Tolerate },
): Observer {
  const { validation: dataset, execution, settings, stepsPerEpoch, learner } = run;
  if (!dataset) return {};
  const { task } = learner;
  let best: number | undefined;
  let losses: Awaited<ReturnType<typeof execution.losses>> | undefined;
  return {
    async step({ done, last, measured }) {
      if (!last && !isDue(settings.validateEvery ?? stepsPerEpoch, done)) return;
      useWeights(learner);
      losses ??= await execution.losses(task, await exampleOf(task, dataset, Math.min(BATCH, dataset.size)));
      const loss = await meanLoss(losses, task, dataset);
      measured.validationLoss = loss;
      // Where the metrics were lost, the file itself still tells.
      best ??= metrics.history.best?.loss ?? (await bestLoss(folder));
      const better = loss < best;
      if (better) {
        best = loss;
        await tolerate(() => saveBest(folder, checkpointOf(run, identity, done), loss));
      }
      reporter.say(`Validation loss after ${done} steps: ${loss.toFixed(4)}${better ? ' (best so far)' : ''}`);
    },
    close: () => losses?.dispose(),
  };
}

/**
 * The mean loss over a dataset. An image always gets the same of what is drawn, so that the number can be compared
 * between steps and runs.
 */
export async function meanLoss(
  losses: (inputs: Batch) => Promise<Arrays>,
  task: Task,
  dataset: Dataset,
): Promise<number> {
  let sum = 0;
  for (let start = 0; start < dataset.size; start += BATCH) {
    const indices = Int32Array.from({ length: Math.min(BATCH, dataset.size - start) }, (_, i) => start + i);
    const inputs = task.draw(await readExamples(dataset, indices), new Random(['validation', start]));
    for (const loss of (await losses(inputs)).get('loss')!) sum += loss;
  }
  return sum / dataset.size;
}
