import type { Level } from '../levels/level';

/**
 * KL(q(x_T | x_0) ‖ N(0, I)) of an element x_0, in bits (Ho et al. 2020, eq. 5, L_T), in float64: ½(σ² − 1 − log σ² +
 * signal²·x_0²).
 */
export function priorBits({ signal, sigma }: Level): (xStart: number) => number {
  // σ² − 1 where σ is next to 1.
  const less = (sigma - 1) * (sigma + 1);
  const constant = less - Math.log1p(less);
  return (xStart) => (constant + (signal * xStart) ** 2) / (2 * Math.LN2);
}
