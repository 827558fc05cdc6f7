import * as tf from '@tensorflow/tfjs-core';
import type { Level } from '../levels/level';
import { combine, freshNoise, lambda } from './arithmetic';
import { fromNoise } from './from-noise';
import type { Sampler } from './sampler';
import { checkOrder, shortRun, stepOrder } from './step-order';

/** How DPM-Solver++ goes; each has its default. */
export interface DpmSolverOptions {
  /** How many evaluations a step looks back on: 1 (which is `ddim`), 2 or 3; 2 by default. */
  order?: number;
  /** How much noise to draw: 0, the default, is the ordinary equation, and 1 the stochastic one (SDE-DPM-Solver++). */
  eta?: number;
  /** The rule by which a step of order 2 integrates the slope; 'midpoint' by default. */
  solver?: 'midpoint' | 'heun';
  /**
   * How much of the second derivative of x̂_0 a step of order 3 takes: 'whole', the default, or 'half', as the authors'
   * code, k-diffusion and diffusers do, whose error falls with the square of the step only.
   */
  curvature?: 'whole' | 'half';
}

/**
 * DPM-Solver++, multistep (Lu et al. 2022, "DPM-Solver++", Algorithm 2, and their code for order 3): exact but for
 * x̂_0, which is a polynomial in λ through the last evaluations, with the slope D_1 and the curvature D_2. With H = (1
 * + η)h and h the step in λ,
 * x_s = sigma_s/sigma_t e^(−ηh) x + signal_s ((1 − e^(−H)) x̂_0 + φ_2 D_1 − φ_3 D_2) + sigma_s √(1 − e^(−2ηh)) z.
 * The order is lower at the beginning, at the image, and at the end of runs of less than 15 steps.
 * @param levels from noise to image, such as `uniformLogSnr(scheduleScale(schedule), 20)`
 * @throws RangeError unless the order is 1, 2 or 3
 */
export const dpmSolver = fromNoise(
  (
    levels: readonly Level[],
    { order = 2, eta = 0, solver = 'midpoint', curvature = 'whole' }: DpmSolverOptions = {},
  ): Sampler => {
    checkOrder('dpmSolver', order, 3);
    return {
      levels,
      memory: order,
      step(index, evaluations, rng) {
        const [{ x, x0, level }, one, two] = evaluations;
        const next = levels[index + 1];
        if (next.sigma === 0) return tf.clone(x0);
        const h = lambda(next) - lambda(level);
        const H = (1 + eta) * h;
        const phi1 = -Math.expm1(-H);
        const phi2 = 1 - phi1 / H;
        const terms: [number, tf.Tensor4D][] = [
          [(next.sigma / level.sigma) * Math.exp(-eta * h), x],
          [next.signal * phi1, x0],
        ];
        const stepsOrder = stepOrder(levels, index, order, evaluations.length, shortRun(levels));
        if (stepsOrder > 1) {
          // The slopes between neighbours, for a step as long as this one.
          const slope = (to: { x0: tf.Tensor4D; level: Level }, from: { x0: tf.Tensor4D; level: Level }) =>
            tf.mul<tf.Tensor4D>(tf.sub(to.x0, from.x0), h / (lambda(to.level) - lambda(from.level)));
          const late = slope(evaluations[0], one);
          if (stepsOrder === 2) terms.push([next.signal * (solver === 'midpoint' ? phi1 / 2 : phi2), late]);
          else {
            const early = slope(one, two);
            const [r0, r1] = [lambda(level) - lambda(one.level), lambda(one.level) - lambda(two.level)].map(
              (past) => past / h,
            );
            const change = combine([1, late], [-1, early]);
            const phi3 = (curvature === 'whole' ? 2 : 1) * (phi2 / H - 0.5);
            terms.push(
              [next.signal * phi2, combine([1, late], [r0 / (r0 + r1), change])],
              [(-next.signal * phi3) / (r0 + r1), change],
            );
          }
        }
        if (eta > 0) terms.push([next.sigma * Math.sqrt(-Math.expm1(-2 * eta * h)), freshNoise(x, rng)]);
        return combine(...terms);
      },
    };
  },
);
