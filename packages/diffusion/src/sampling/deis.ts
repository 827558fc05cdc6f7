import * as tf from '@tensorflow/tfjs-core';
import type { Level } from '../levels/level';
import { combine, lambda, noiseIn } from './arithmetic';
import { fromNoise } from './from-noise';
import type { Sampler } from './sampler';
import { checkOrder, shortRun, stepOrder } from './step-order';

/**
 * DEIS (Zhang & Chen 2022, the variant ρAB, with polynomials in log ρ as diffusers has): with ρ = sigma/signal and y =
 * x/signal, the equation is dy = ε̂ dρ, and ε̂ a polynomial in log ρ through the last evaluations, integrated exactly.
 * Order 1 is `ddim`. The order is lower at the beginning, at the image, and at the end of runs of less than 15 steps.
 * @param levels from noise to image, such as `trailing(schedule, 10)`
 * @param options.order how many evaluations a step looks back on, 1 to 3
 * @param options.lowerOrderFinal whether the order is lower at the end; by default that of short runs is
 * @param options.cautious whether a step much longer than the one before is of order 1; it is by default
 * @throws RangeError unless the order is 1, 2 or 3
 */
export const deis = fromNoise(
  (
    levels: readonly Level[],
    {
      order = 2,
      lowerOrderFinal = shortRun(levels),
      cautious = true,
    }: { order?: number; lowerOrderFinal?: boolean; cautious?: boolean } = {},
  ): Sampler => {
    checkOrder('deis', order, 3);
    return {
      levels,
      memory: order,
      step(index, evaluations) {
        const [now, ...before] = evaluations;
        const next = levels[index + 1];
        if (next.sigma === 0) return tf.clone(now.x0);
        // u = log ρ, from where the step begins.
        const u = (level: Level) => lambda(now.level) - lambda(level);
        const past = before.slice(
          0,
          stepOrder(levels, index, order, evaluations.length, lowerOrderFinal, cautious) - 1,
        );
        const noise = noiseIn(now);
        return combine(
          [next.signal, now.x0],
          [next.sigma, noise],
          ...weights(
            past.map(({ level }) => u(level)),
            u(next),
          ).map((weight, i): [number, tf.Tensor4D] => {
            const rho = Math.exp(-lambda(now.level));
            return [next.signal * rho * weight, tf.sub(noiseIn(past[i]), noise)];
          }),
        );
      },
    };
  },
);

/** ∫_0^end L_i(u) e^u du, where L_i is 1 at the i-th point, and 0 at the others and at 0. */
function weights(points: readonly number[], end: number): number[] {
  const first = Math.exp(end) * (end - 1) + 1;
  const second = Math.exp(end) * (end ** 2 - 2 * end + 2) - 2;
  if (points.length < 2) return points.map((a) => first / a);
  const [a, b] = points;
  return [(second - b * first) / (a * (a - b)), (second - a * first) / (b * (b - a))];
}
