import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dataset } from '@ddpm/datasets';
import { defaultCacheDir } from '@ddpm/datasets';
import type { KernelDistance } from '@ddpm/metrics';
import { classAccuracy, frechetDistance, kernelDistance, moments, precisionRecall } from '@ddpm/metrics';
import type { FeatureNetwork, Seen } from './feature-network';
import type { Reference } from './reference';
import { keep, part } from './reference';
import { orderOf } from './some-of';

/** How close images are to real ones. */
export interface Measures {
  /** How many images were measured. */
  readonly n: number;
  /** Of their features' mean and covariance to those of all real images. */
  readonly frechetDistance: number;
  /** To as many real images. */
  readonly kernelDistance: KernelDistance;
  /** Among as many real images, 0 to 1. */
  readonly precision: number;
  /** Of as many real images, 0 to 1. */
  readonly recall: number;
  /** In which share of them the classifier sees the class that they were drawn as, 0 to 1. */
  readonly classAccuracy?: number;
}

/** The fewest images that can be measured. */
export const LEAST_IMAGES = 20;

/**
 * Measures images by what a network makes of them.
 * @param images the images, of whose labels and class names it makes use where they have them
 * @param seen what `see` made of them
 * @param options.seed of the real images that are drawn to compare with
 * @throws RangeError if there are fewer than 20
 */
export function measure(
  network: Pick<FeatureNetwork, 'classNames'>,
  images: Pick<Dataset, 'size' | 'label' | 'classNames'>,
  seen: Seen,
  reference: Reference,
  { seed = 0 }: { seed?: number } = {},
): Measures {
  const n = images.size;
  if (n < LEAST_IMAGES)
    throw new RangeError(`at least ${LEAST_IMAGES} images are needed to measure anything, got ${n}`);
  const real = part(reference, orderOf(reference.images.size, seed).subarray(0, n)).seen.features;
  const { precision, recall } = precisionRecall({ real, generated: seen.features });
  const labels = seen.logits && labelsOf(network, images);
  return {
    n,
    frechetDistance: frechetDistance(moments(seen.features), reference.moments),
    kernelDistance: kernelDistance(seen.features, real, { seed }),
    precision,
    recall,
    ...(labels && { classAccuracy: classAccuracy(seen.logits, labels) }),
  };
}

/** The images' classes as the network numbers them; undefined where it does not know them all by name. */
function labelsOf(
  { classNames: known }: Pick<FeatureNetwork, 'classNames'>,
  images: Pick<Dataset, 'size' | 'label' | 'classNames'>,
): number[] | undefined {
  if (!known || !images.label || !images.classNames) return undefined;
  const numbers = images.classNames.map((name) => known.indexOf(name));
  return numbers.includes(-1) ? undefined : Array.from({ length: images.size }, (_, i) => numbers[images.label!(i)]);
}

/**
 * The measures of real images that are not among those they are compared with: of the test split at the same number,
 * or, where there is none, so many of the reference, at most half, against its others. Kept for the next time.
 * @param n how many images were measured
 * @throws RangeError if fewer than 20 are left of either
 */
export async function floorOf(
  network: FeatureNetwork,
  { reference, test }: { reference: Reference; test?: Reference },
  n: number,
  { seed = 0, cacheDir = defaultCacheDir() }: { seed?: number; cacheDir?: string } = {},
): Promise<Measures> {
  const count = Math.min(n, test ? test.images.size : Math.floor(reference.images.size / 2));
  const name = [network.hash, reference.hash, test?.hash ?? 'held-out', count, seed].join('-');
  const path = join(cacheDir, 'features', `${name}.json`);
  const kept = await readFile(path, 'utf8')
    .then((text) => JSON.parse(text) as Measures)
    .catch(() => undefined);
  if (kept) return kept;
  const from = test ?? reference;
  const order = orderOf(from.images.size, seed);
  const drawn = part(from, order.subarray(0, count));
  const others = test ? reference : part(reference, order.subarray(count));
  const measures = measure(network, drawn.images, drawn.seen, others, { seed });
  await keep(path, `${JSON.stringify(measures)}\n`);
  return measures;
}
