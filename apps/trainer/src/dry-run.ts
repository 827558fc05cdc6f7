import { formatRate, formatSeconds } from '@ddpm/app-common';
import { train } from '@ddpm/train';
import type { Run } from './prepare';
import type { Reporter } from './reporter';

/** Steps that are timed, after one that is not. */
const TIMED = 3;

/**
 * Shows the whole plan of a run: settings, size, work and memory, and the time that it will take by a few timed steps.
 * Writes nothing.
 */
export async function dryRun(run: Run, reporter: Reporter, start: number): Promise<void> {
  const { settings, training, learner, examples, steps, batchSize, stepsPerEpoch, dataset } = run;
  for (const [name, value] of Object.entries(settings)) reporter.say(`  ${name}: ${JSON.stringify(value)}`);
  const operations = await training.operations();
  const parameters = [...training.task.parameters.values()].reduce((sum, { size }) => sum + size, 0);
  reporter.say(`Parameters: ${parameters.toLocaleString('en')}`);
  reporter.say(
    `Work: ${(operations / 1e9).toFixed(2)} GFLOP an image forward, ${((3 * operations * batchSize) / 1e9).toFixed(0)} GFLOP a step of ${batchSize} images`,
  );
  reporter.say(
    `Steps: ${steps - start} of ${steps} to go, ${stepsPerEpoch} to an epoch of ${dataset.size.toLocaleString('en')} images`,
  );

  const seconds: number[] = [];
  let before = performance.now();
  const trained = train({ learner, examples, steps: TIMED + 1, rate: 0, seed: settings.seed });
  for await (const _ of trained) {
    seconds.push((performance.now() - before) / 1000);
    before = performance.now();
  }
  const median = seconds.slice(1).sort((a, b) => a - b)[Math.floor(TIMED / 2)];
  reporter.say(`Memory: ${(process.resourceUsage().maxRSS / 2 ** 20).toFixed(2)} GB at the most in ${TIMED + 1} steps`);
  reporter.say(
    `Time: ${median.toFixed(2)} s a step, ${formatRate(batchSize / median)} images/s, ${formatSeconds(median * (steps - start))} in all`,
  );
}
