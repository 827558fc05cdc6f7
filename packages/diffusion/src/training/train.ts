import { Random } from '@ddpm/random';
import type { TrainEngine, TrainStepResult } from './engine';

/** What `train` needs to know. */
export interface TrainOptions {
  /** What takes the steps; see `trainEngine`. */
  engine: TrainEngine;
  /** The batches of an epoch from the given one on: images in [−1, 1], [size, h, w, c]. Their order must follow from the epoch alone. */
  batches: (position: { epoch: number; start: number }) => AsyncIterable<{ readonly images: Float32Array; readonly size: number }>;
  /** How many batches an epoch has. */
  batchesPerEpoch: number;
  /** T of the schedule that the loss was made with. */
  timesteps: number;
  /** The step to end before. */
  steps: number;
  /** The step to begin at; 0 by default. */
  start?: number;
  /** A number, or a function of the step. */
  learningRate: number | ((step: number) => number);
  /** t and ε of a step follow from this and the step alone. */
  seed: number;
}

/** What `train` yields after each step. */
export interface TrainStep extends TrainStepResult {
  /** From 0. */
  readonly step: number;
  /** From 0. */
  readonly epoch: number;
  /** Images in the batch. */
  readonly size: number;
  /** The step's. */
  readonly learningRate: number;
  /** The t of each image. */
  readonly t: Int32Array;
}

/**
 * Algorithm 1 (Ho et al. 2020): for each batch, t ~ U{0 … T − 1} and ε ~ N(0, I) for every image, and a step on the loss. Yields after each
 * step, so that the caller logs, saves and stops. All that is random in a step follows from `seed` and its number, so that a run that starts
 * at step k with the engine's state of that step goes on exactly.
 */
export async function* train({
  engine,
  batches,
  batchesPerEpoch,
  timesteps,
  steps,
  start = 0,
  learningRate,
  seed,
}: TrainOptions): AsyncGenerator<TrainStep, void, undefined> {
  let step = start;
  while (step < steps) {
    const epoch = Math.floor(step / batchesPerEpoch);
    for await (const { images, size } of batches({ epoch, start: step % batchesPerEpoch })) {
      const rng = new Random([seed, step]);
      const t = rng.integers(size, timesteps);
      const noise = rng.normals(images.length);
      const rate = typeof learningRate === 'number' ? learningRate : learningRate(step);
      const result = await engine.step({ xStart: images, noise, t }, { learningRate: rate });
      yield { ...result, step, epoch, size, learningRate: rate, t };
      if (++step >= steps) break;
    }
  }
}
