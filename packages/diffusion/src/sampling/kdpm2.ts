import * as tf from '@tensorflow/tfjs-core';
import type { Level } from '../levels/level';
import type { LevelScale } from '../levels/scale';
import { combine, freshNoise, noiseIn } from './arithmetic';
import { checkWhole } from './check';
import { ddim } from './ddim';
import { fromNoise } from './from-noise';
import type { Sampler } from './sampler';

/**
 * k-diffusion's DPM2 (Karras et al. 2022, Algorithm 3 with the middle of DPM-Solver-2): Euler's method to the geometric
 * mean of σ at both ends, then the whole step along the slope there. It asks twice at each step but the last, and its
 * `levels` name the middles too. With η it goes on to a lower σ, and draws noise up to the next level's, as
 * `eulerAncestral`.
 * @param levels from noise to image, such as `karras(scale, 10)`
 * @param scale finds the levels in the middle
 * @param options.eta how much noise to draw: 0, the default, none, and 1 that of the ancestral sampler
 * @throws RangeError, when it is asked, if sampling begins in the middle of a step
 */
export const kdpm2 = fromNoise(
  (levels: readonly Level[], scale: LevelScale, { eta = 0 }: { eta?: number } = {}): Sampler => {
    const ratios = levels.map(({ signal, sigma }) => sigma / signal);
    const steps = ratios.slice(1).map((end, i) => {
      const start = ratios[i];
      const up = Math.min(end, eta * end * Math.sqrt(Math.max(0, 1 - (end / start) ** 2)));
      return { up, down: Math.sqrt(end ** 2 - up ** 2) };
    });
    return {
      levels: levels.flatMap((level, i) =>
        steps[i]?.down > 0 ? [level, scale.at(Math.sqrt(ratios[i] * steps[i].down))] : [level],
      ),
      memory: 2,
      step(index, evaluations, rng) {
        const i = Math.floor(index / 2);
        const { up, down } = steps[i];
        if (index % 2 === 0) {
          const to = down > 0 ? scale.at(Math.sqrt(ratios[i] * down)) : levels[i + 1];
          return ddim([levels[i], to]).step(0, [evaluations[0]], rng);
        }
        const start = checkWhole('kdpm2', evaluations);
        const { signal } = levels[i + 1];
        const x = combine(
          [signal / start.level.signal, start.x],
          [signal * (down - ratios[i]), noiseIn(evaluations[0])],
        );
        return up > 0 ? tf.add(x, tf.mul(freshNoise(x, rng), signal * up)) : x;
      },
    };
  },
);
