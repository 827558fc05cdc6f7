import * as tf from '@tensorflow/tfjs-core';
import type { Denoise } from '../denoise/denoise';
import type { Evaluation, NoiseSource, Sampler } from './sampler';

/** All of a sampler's steps as one function of tensors, which can be compiled whole. */
export interface Chain {
  /** x_T [n, h, w, c], and as many tensors of noise, each shaped like it, as there are draws → x_0, which is the caller's. */
  (xT: tf.Tensor4D, ...noise: tf.Tensor4D[]): tf.Tensor4D;
  /** How often noise is drawn on the way. */
  readonly draws: number;
}

/**
 * All steps of `sample`, without waiting and without a generator: the noise is drawn ahead, in the same order, so that
 * the images are the same. Compiled, it saves the way to the network and back at each step, and the sampler's
 * arithmetic runs where the network does; its graph is as many times larger as there are evaluations.
 * @throws RangeError if something in `denoise` has to be waited for: a compiled network, or thresholding, which reads
 * values; and, when it is called, unless there are as many tensors of noise as draws
 */
export function chain(denoise: Denoise, sampler: Sampler): Chain {
  const { now } = denoise;
  if (!now)
    throw new RangeError(
      'chain: every part of denoise must be a function of tensors, which a network that runs elsewhere and thresholding are not',
    );
  const draws = drawsOf(sampler);
  return Object.assign(
    (xT: tf.Tensor4D, ...noise: tf.Tensor4D[]) => {
      if (noise.length !== draws)
        throw new RangeError(`chain: needs a tensor of noise for each of ${draws} draws, got ${noise.length}`);
      return tf.tidy(() => steps(sampler, xT, drawnAhead(noise), now));
    },
    { draws },
  );
}

function steps(sampler: Sampler, xT: tf.Tensor4D, rng: NoiseSource, now: NonNullable<Denoise['now']>): tf.Tensor4D {
  const { levels, memory = 1 } = sampler;
  /** The newest first. */
  const evaluations: Evaluation[] = [];
  let x = tf.clone(xT);
  for (let index = 0; index + 1 < levels.length; index++) {
    evaluations.unshift({ ...now(x, levels[index]), x, level: levels[index] });
    x = sampler.step(index, evaluations as [Evaluation, ...Evaluation[]], rng);
    evaluations.splice(memory - 1);
  }
  return x;
}

/** How often a sampler draws noise: it is asked to step once, on a single zero. */
function drawsOf(sampler: Sampler): number {
  let draws = 0;
  const rng = {
    normals(n: number) {
      draws++;
      return new Float32Array(n);
    },
  };
  tf.tidy(() => steps(sampler, tf.zeros([1, 1, 1, 1]), rng, (x) => ({ x0: tf.clone(x) })));
  return draws;
}

function drawnAhead(noise: readonly tf.Tensor4D[]): NoiseSource {
  let drawn = 0;
  return { normals: (n) => new Float32Array(n), tensor: () => tf.clone(noise[drawn++]) };
}
