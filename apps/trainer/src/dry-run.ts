import { formatRate, formatSeconds } from '@ddpm/app-common';
import { batches } from '@ddpm/datasets';
import { train } from '@ddpm/diffusion';
import { parameterCount } from '@ddpm/layers';
import * as tf from '@tensorflow/tfjs';
import type { Run } from './prepare';
import type { Reporter } from './reporter';

/** Steps that are timed, after one that is not. */
const TIMED = 3;

/** Shows the whole plan of a run: settings, size, work and memory, and the time that it will take by a few timed steps. Writes nothing. */
export async function dryRun(run: Run, reporter: Reporter, start: number): Promise<void> {
  const { settings, network, imageShape, steps, batchSize, batchesPerEpoch, engine, dataset, schedule } = run;
  for (const [name, value] of Object.entries(settings)) reporter.say(`  ${name}: ${JSON.stringify(value)}`);
  const flops = await multiplyAdds(() => network.apply(tf.zeros([1, ...imageShape]), tf.zeros([1], 'int32')));
  reporter.say(`Parameters: ${parameterCount(network).toLocaleString('en')}`);
  reporter.say(
    `Work: ${(flops / 1e9).toFixed(2)} GFLOP an image forward, ${((3 * flops * batchSize) / 1e9).toFixed(0)} GFLOP a step of ${batchSize} images`,
  );
  reporter.say(`Steps: ${steps - start} of ${steps} to go, ${batchesPerEpoch} to an epoch of ${dataset.size.toLocaleString('en')} images`);

  const seconds: number[] = [];
  let before = performance.now();
  const trained = train({
    engine,
    batches: ({ epoch, start: from }) =>
      batches(dataset, { batchSize, seed: settings.seed, epoch, start: from, flip: settings.flip ? 0.5 : 0 }),
    batchesPerEpoch,
    timesteps: schedule.timesteps,
    steps: TIMED + 1,
    learningRate: 0,
    seed: settings.seed,
  });
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

/** Floating-point operations of the convolutions and matrix products in a function, two for each multiplication and addition. */
async function multiplyAdds(fn: () => tf.Tensor): Promise<number> {
  const { kernels } = await tf.profile(() => tf.tidy(fn));
  let sum = 0;
  for (const { name, inputShapes, outputShapes } of kernels) {
    const [first, second] = inputShapes;
    const size = tf.util.sizeFromShape(outputShapes[0]);
    if (!first || !second) continue;
    if (name === 'Conv2D') sum += 2 * size * second[0] * second[1] * second[2];
    else if (name === 'DepthwiseConv2dNative') sum += 2 * size * second[0] * second[1];
    else if (name === 'Conv2DBackpropInput') sum += 2 * tf.util.sizeFromShape(first) * second[0] * second[1] * second[2];
    else if (name === 'BatchMatMul' || name === '_FusedMatMul')
      sum +=
        2 * Math.sqrt((tf.util.sizeFromShape(first) * tf.util.sizeFromShape(second) * size) / tf.util.sizeFromShape(first.slice(0, -2)));
  }
  return sum;
}
