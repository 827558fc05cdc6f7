import type { NormalSource } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import type { Level } from '../levels/level';
import { combine, freshNoise } from '../sampling/arithmetic';
import type { Sampler } from '../sampling/sampler';

/** A picture, and which of it is to be drawn anew; the caller keeps both, until sampling ends. */
export interface Known {
  /** In [−1, 1], [n or 1, h, w, c]. */
  readonly image: tf.Tensor4D;
  /** 1 where it is to be drawn, 0 where it is known; [n or 1, h, w, c or 1]. */
  readonly mask: tf.Tensor4D;
}

/** The known part of a picture, and how often the rest is fitted to it; `image` and `mask` are needed. */
export interface RepaintOptions extends Known {
  /** How many levels a jump goes back; 10 by default, as in the paper, where there are 250. */
  jump?: number;
  /** How often the levels of a jump are gone through, r; 10 by default, as in the paper. 1 is no jump at all. */
  times?: number;
}

/** x with the known part of the picture at the level in its place. */
export function withKnown(
  x: tf.Tensor4D,
  { signal, sigma }: Level,
  { image, mask }: Known,
  rng: NormalSource,
): tf.Tensor4D {
  return tf.tidy(() => {
    const known = combine([signal, image], [sigma, freshNoise(x, rng)]);
    return tf.add(tf.mul(mask, x), tf.mul(tf.sub(1, mask), known));
  });
}

/**
 * Inpainting with a network that was not trained for it (Lugmayr et al. 2022, RePaint, Algorithm 1): after each step
 * the known part is what `qSample` makes of the picture at that level. What is drawn is then fitted to it by going
 * back: some levels noisier, by fresh noise over all of x, and through them again, `times` times. Begin with
 * `withKnown(xT, …)`.
 * @param levels from noise to image
 * @param make the sampler of each way down, such as `ancestral`; one that looks back begins anew after a jump
 * @throws RangeError unless jump and times are whole numbers of at least 1
 */
export function repaint(
  levels: readonly Level[],
  make: (levels: readonly Level[]) => Sampler,
  { image, mask, jump = 10, times = 10 }: RepaintOptions,
): Sampler {
  for (const [name, value] of Object.entries({ jump, times }))
    if (!Number.isInteger(value) || value < 1)
      throw new RangeError(`repaint: ${name} must be a whole number of at least 1, got ${value}`);
  const ways = waysDown(levels, { jump, times }).map(make);
  const steps = ways.flatMap((sampler, way) =>
    Array.from({ length: sampler.levels.length - 1 }, (_, index) => ({ sampler, way, index })),
  );
  return {
    levels: [...steps.map(({ sampler, index }) => sampler.levels[index]), levels[levels.length - 1]],
    memory: Math.max(...ways.map(({ memory = 1 }) => memory)),
    step(at, evaluations, rng) {
      const { sampler, way, index } = steps[at];
      const [now, ...before] = evaluations;
      const next = sampler.levels[index + 1];
      const x = withKnown(sampler.step(index, [now, ...before.slice(0, index)], rng), next, { image, mask }, rng);
      const jumps = index === sampler.levels.length - 2 && way < ways.length - 1;
      return jumps ? noisier(x, next, ways[way + 1].levels[0], rng) : x;
    },
  };
}

/**
 * The levels between two jumps: down to each `jump`-th level before the image, back by as many, and so on, the last
 * time on to the next.
 */
function waysDown(levels: readonly Level[], { jump, times }: { jump: number; times: number }): Level[][] {
  const last = levels.length - 1;
  const ways: Level[][] = [];
  let start = 0;
  for (let end = Math.floor((last - jump) / jump) * jump; end > 0; end -= jump) {
    for (let time = 1; time < times; time++) {
      ways.push(levels.slice(start, last - end + 1));
      start = last - end - jump;
    }
  }
  return [...ways, levels.slice(start)];
}

/** x at a noisier level, by fresh noise: q(x_t | x_s). */
function noisier(x: tf.Tensor4D, from: Level, to: Level, rng: NormalSource): tf.Tensor4D {
  const ratio = to.signal / from.signal;
  const added = to.sigma ** 2 - (ratio * from.sigma) ** 2;
  return combine([ratio, x], [Math.sqrt(Math.max(0, added)), freshNoise(x, rng)]);
}
