import * as tf from '@tensorflow/tfjs-core';
import type { Level } from '../levels/level';
import { combine, lambda } from './arithmetic';
import { fromNoise } from './from-noise';
import type { Evaluation, Sampler } from './sampler';
import { checkOrder, stepOrder } from './step-order';

/** How UniPC goes; each has its default. */
export interface UniPcOptions {
  /** How many evaluations the predictor looks back on, 1 to 3; 2 by default. */
  order?: number;
  /** B(h): 'bh1' is h, and 'bh2', the default, e^h − 1. */
  solver?: 'bh1' | 'bh2';
}

/**
 * UniPC, a predictor and a corrector of the same form (Zhao et al. 2023, multistep, of x̂_0): when x̂_0 at a level has
 * become known, x there is corrected by it before the next step, without another evaluation. The order is lower at the
 * beginning and at the end.
 * @param levels from noise to image, such as `uniformLogSnr(scheduleScale(schedule), 10)`
 * @throws RangeError unless the order is 1, 2 or 3
 */
export const uniPc = fromNoise(
  (levels: readonly Level[], { order = 2, solver = 'bh2' }: UniPcOptions = {}): Sampler => {
    checkOrder('uniPc', order, 3);
    return {
      levels,
      // The corrector takes one more than the predictor.
      memory: order + 1,
      step(index, evaluations) {
        const [now, ...before] = evaluations;
        const next = levels[index + 1];
        if (next.sigma === 0) return tf.clone(now.x0);
        const orderAt = (i: number, known: number) => stepOrder(levels, i, order, known, true);
        const steps: [number, tf.Tensor4D][] = [[1, now.x]];
        if (before.length > 0) {
          // x is what the predictor made of the corrected x before it: its bend goes, and the corrector's comes.
          const past = orderAt(index - 1, before.length);
          for (const [coefficient, x0] of bend(before, now.level, past, solver)) steps.push([-coefficient, x0]);
          steps.push(...bend(before, now.level, past, solver, now));
        }
        const h = lambda(next) - lambda(now.level);
        return combine(
          [next.sigma / now.level.sigma, combine(...steps)],
          [-next.signal * Math.expm1(-h), now.x0],
          ...bend(evaluations, next, orderAt(index, evaluations.length), solver),
        );
      },
    };
  },
);

/**
 * The addition of a step to that of order 1, because x̂_0 changes along it: coefficients of the x̂_0. The newest
 * evaluation is where it begins; `end`, which the corrector knows, is where it ends.
 */
function bend(
  [start, ...before]: readonly Evaluation[],
  to: Level,
  order: number,
  solver: 'bh1' | 'bh2',
  end?: Evaluation,
): [number, tf.Tensor4D][] {
  const h = lambda(to) - lambda(start.level);
  const points = [...before.slice(0, order - 1), ...(end ? [end] : [])];
  if (points.length === 0) return [];
  const ratios = points.map(({ level }) => (lambda(level) - lambda(start.level)) / h);
  const scale = solver === 'bh1' ? -h : Math.expm1(-h);
  // Where there is one unknown, a half meets the condition to the same order.
  const rhos = points.length === 1 ? [0.5] : solve(ratios, moments(-h, points.length, scale));
  return points.flatMap(({ x0 }, i) => {
    const coefficient = (-to.signal * scale * rhos[i]) / ratios[i];
    return [
      [coefficient, x0],
      [-coefficient, start.x0],
    ];
  });
}

/**
 * b_k = k! φ_{k+1}(z)/B for k = 1 … count, where φ_1(z) = (e^z − 1)/z and φ_{k+1}(z) = (φ_k(z) − 1/k!)/z, each times z.
 */
function moments(z: number, count: number, scale: number): number[] {
  let [phi, factorial] = [Math.expm1(z) / z - 1, 1];
  return Array.from({ length: count }, (_, k) => {
    const b = (phi * factorial) / scale;
    factorial *= k + 2;
    phi = phi / z - 1 / factorial;
    return b;
  });
}

/** ρ with Σ_i ratio_i^k ρ_i = b_k for k = 0, 1, …: two or three unknowns, by Cramer's rule. */
function solve(ratios: readonly number[], b: readonly number[]): number[] {
  const determinant = (columns: readonly (readonly number[])[]): number =>
    columns.length === 1
      ? columns[0][0]
      : columns.reduce(
          (sum, [first], i) =>
            sum + (-1) ** i * first * determinant(columns.filter((_, j) => j !== i).map(([, ...rest]) => rest)),
          0,
        );
  const columns = ratios.map((ratio) => b.map((_, k) => ratio ** k));
  const whole = determinant(columns);
  return columns.map((_, i) => determinant(columns.map((column, j) => (j === i ? b : column))) / whole);
}
