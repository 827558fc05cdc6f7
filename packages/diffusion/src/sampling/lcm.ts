import * as tf from '@tensorflow/tfjs-core';
import type { Level } from '../levels/level';
import { combine, freshNoise } from './arithmetic';
import type { Sampler } from './sampler';

/**
 * Multistep consistency sampling (Song et al. 2023, Algorithm 1) as in latent consistency models (Luo et al. 2023):
 * what the network says of the image, noised anew to the next level. The image is c_skip(t) x + c_out(t) x̂_0, which is
 * x itself at t = 0, with c_skip = s²/(τ² + s²), c_out = τ/√(τ² + s²), τ = timestepScaling·t and s = sigmaData.
 * @param levels from noise to image, one to eight of them, such as `trailing(schedule, 4)`
 * @param options.sigmaData s; with 0 the image is x̂_0 at every level, t = 0 too
 * @param options.timestepScaling how fast c_skip vanishes with t, the level's time
 */
export function lcm(levels: readonly Level[], { sigmaData = 0.5, timestepScaling = 10 } = {}): Sampler {
  return {
    levels,
    step(index, [{ x, x0, level }], rng) {
      const next = levels[index + 1];
      const tau = timestepScaling * level.time;
      const total = Math.hypot(tau, sigmaData);
      const image = sigmaData > 0 ? combine([(sigmaData / total) ** 2, x], [tau / total, x0]) : x0.clone();
      return next.sigma > 0 ? tf.add(tf.mul(image, next.signal), tf.mul(freshNoise(x, rng), next.sigma)) : image;
    },
  };
}
