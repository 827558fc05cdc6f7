import type { Features } from './features';
import { checkFeatures, checkWidths } from './features';
import { squaredDistance, squaredNeighbours } from './nearest-neighbours';

/** How much of what is generated looks real, and how much of what is real is generated. */
export interface PrecisionRecall {
  /** The share of generated images that lie among the real ones, 0 to 1: quality. */
  readonly precision: number;
  /** The share of real images that lie among the generated ones, 0 to 1: variety. */
  readonly recall: number;
}

/**
 * Improved precision and recall (Kynkäänniemi et al. 2019, eq. 1): an image lies among others if it is within one of
 * their balls, each of which reaches to its kth nearest neighbour. Both sets should be of about the same size.
 * @param options.k 3 in the paper
 * @throws RangeError unless both have rows of one width, finite, and more than k
 */
export function precisionRecall(
  { real, generated }: { real: Features; generated: Features },
  { k = 3 }: { k?: number } = {},
): PrecisionRecall {
  checkWidths('precisionRecall', real.width, generated.width);
  for (const features of [real, generated]) checkFeatures('precisionRecall', features, k + 1);
  return { precision: shareWithin(generated, real, k), recall: shareWithin(real, generated, k) };
}

/** The share of rows that are within the ball of one of the others. */
function shareWithin(rows: Features, others: Features, k: number): number {
  const { width } = rows;
  const { squared } = squaredNeighbours(others, others, { k, withoutSelf: true });
  const radii = Float64Array.from({ length: squared.length / k }, (_, i) => squared[(i + 1) * k - 1]);
  // Most rows are found soon where the widest balls come first.
  const order = Int32Array.from(radii, (_, i) => i).sort((i, j) => radii[j] - radii[i]);
  const [a, b] = [Float64Array.from(rows.data), Float64Array.from(others.data)];
  const n = a.length / width;
  let within = 0;
  for (let i = 0; i < n; i++)
    if (order.some((j) => squaredDistance(a, i * width, b, j * width, width, radii[j]) <= radii[j])) within++;
  return within / n;
}
