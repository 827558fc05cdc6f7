import type { Level } from '../levels/level';
import type { FixedVariance } from '../sampling/step-variance';

/** The variational bound as a loss of `denoising`, beside L_simple or alone. */
export interface Bound {
  /** The chain whose bound it is, from noise to image; training meets its levels. */
  readonly levels: readonly Level[];
  /** λ, what L_vlb counts for. */
  readonly lambda: number;
  /** Whether L_simple counts for nothing, and L_vlb trains the mean too. */
  readonly alone: boolean;
  /** The variance of a network that has not learned it. */
  readonly variance: FixedVariance;
}

/**
 * L_hybrid = L_simple + λ·L_vlb (Nichol & Dhariwal 2021, eq. 16), where L_vlb trains the variance alone: the mean is a
 * constant in it.
 * @param levels from noise to image, such as `trailing(schedule)`
 * @param options.lambda λ; 0.001 by default, as theirs (`vb · T/1000` in their code)
 * @throws RangeError unless λ is above 0
 */
export function hybrid(levels: readonly Level[], { lambda = 0.001 } = {}): Bound {
  if (!(lambda > 0 && lambda < Infinity))
    throw new RangeError(`hybrid: lambda must be a number above 0, got ${lambda}`);
  return { levels, lambda, alone: false, variance: 'lower' };
}

/**
 * L_vlb alone (Nichol & Dhariwal 2021, §3.3, who draw levels by `importance` for it).
 * @param levels from noise to image, such as `trailing(schedule)`
 * @param options.variance that of a network that has not learned it; `'lower'` by default
 */
export const vlb = (levels: readonly Level[], { variance = 'lower' }: { variance?: FixedVariance } = {}): Bound => ({
  levels,
  lambda: 1,
  alone: true,
  variance,
});
