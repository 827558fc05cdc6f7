import type { Prior } from './prior';

/**
 * Noise alone, √(signal² + sigma²)·z: what x would be if the values of images were N(0, 1) too. For a schedule's levels
 * that is N(0, I), p(x_T) of Ho et al. 2020, and at EDM's σ = 80 all but N(0, σ²I).
 */
export const standard: Prior = (noise, { signal, sigma }) => {
  const deviation = Math.hypot(signal, sigma);
  return noise.map((z) => deviation * z);
};
