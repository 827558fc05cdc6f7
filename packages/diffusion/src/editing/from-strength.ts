import type { Level } from '../levels/level';

/**
 * The part of a way that begins where so much of a picture is left that it is changed by `strength` (Meng et al. 2022,
 * SDEdit): `qSample` takes the picture to the first of these levels, and a sampler of them brings it back. Strength is
 * the share of the way from image to noise by the angle atan(sigma/signal), whatever the levels are and however they
 * are spaced; on a cosine schedule it is t/T. At least one step is left.
 * @param levels from noise to image, such as `trailing(schedule, 50)`
 * @param strength above 0, where hardly anything changes, and at most 1, all of the way
 * @throws RangeError if it is not
 */
export function fromStrength(levels: readonly Level[], strength: number): Level[] {
  if (!(strength > 0 && strength <= 1))
    throw new RangeError(`fromStrength: strength must be above 0 and at most 1, got ${strength}`);
  const angles = levels.map(({ signal, sigma }) => Math.atan2(sigma, signal));
  const start = angles.findIndex((angle) => angle <= strength * angles[0]);
  return levels.slice(Math.min(start, levels.length - 2));
}
