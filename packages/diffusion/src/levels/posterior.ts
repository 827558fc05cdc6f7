import type { Level } from './level';

/**
 * q(x_s | x_t, x_0) = N(fromStart·x_0 + fromX·x_t, variance), from the level t to a less noisy one s (Ho et al. 2020,
 * eq. 7, for any two levels; between neighbours of a schedule the variance is β̃_t).
 */
export function qPosterior(
  t: Level,
  s: Level,
): { readonly fromStart: number; readonly fromX: number; readonly variance: number } {
  const ratio = t.signal / s.signal;
  const added = addedNoise(t, s);
  return {
    fromStart: (s.signal * added) / t.sigma ** 2,
    fromX: (ratio * s.sigma ** 2) / t.sigma ** 2,
    variance: (added * s.sigma ** 2) / t.sigma ** 2,
  };
}

/** The variance that the way from s to the noisier t adds: β_t, which is 1 − ᾱ_t/ᾱ_s of a schedule's levels. */
const addedNoise = (t: Level, s: Level): number => t.sigma ** 2 - ((t.signal / s.signal) * s.sigma) ** 2;

/**
 * Between which variances those of the steps of a chain are thought to lie, β̃ and β (Ho et al. 2020, §3.2), as
 * logarithms. At the last step, to the image, β̃ is 0, and that of the step before stands for it, as in all of these
 * authors' code.
 * @param levels from noise to image
 * @param index of the step, which goes from levels[index] to levels[index + 1]
 */
export function logVariances(
  levels: readonly Level[],
  index: number,
): { readonly lower: number; readonly upper: number } {
  const [t, s] = [levels[index], levels[index + 1]];
  const upper = Math.log(addedNoise(t, s));
  if (s.sigma > 0) return { lower: Math.log(qPosterior(t, s).variance), upper };
  return { lower: index > 0 ? Math.log(qPosterior(levels[index - 1], t).variance) : upper, upper };
}
