import type { Dataset } from '@ddpm/datasets';
import { choose } from '@ddpm/datasets';
import { Random } from '@ddpm/random';

/** An order of so many images, by chance. */
export const orderOf = (size: number, seed: number): Int32Array =>
  new Random(['some', seed]).shuffle(Int32Array.from({ length: size }, (_, i) => i));

/**
 * So many of the images, drawn without replacement.
 * @throws RangeError if there are not so many
 */
export function someOf(images: Dataset, n: number, seed: number): Dataset {
  if (n > images.size) throw new RangeError(`someOf: there are ${images.size} images, fewer than ${n}`);
  return choose(images, orderOf(images.size, seed).subarray(0, n));
}
