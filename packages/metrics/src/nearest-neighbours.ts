import type { Features } from './features';
import { checkFeatures, checkWidths } from './features';

/** The nearest rows of each of n rows, the nearest first. */
export interface Neighbours {
  /** Numbers of rows, [n, k]. */
  readonly indices: Int32Array;
  /** Euclidean, [n, k]. */
  readonly distances: Float64Array;
}

/** Which neighbours to find. */
export interface NeighboursOptions {
  /** How many; 1 by default. */
  readonly k?: number;
  /** Whether both are the same rows, so that a row is not its own neighbour; false by default. */
  readonly withoutSelf?: boolean;
}

/** Rows that are gone through together, so that they stay in the cache. */
const BLOCK = 256;

/**
 * For each row of `queries` the k nearest among `references`, exactly; of those at one distance the first.
 * @throws RangeError unless both have rows of one width, finite, and there are k to find
 */
export function nearestNeighbours(
  queries: Features,
  references: Features,
  { k = 1, withoutSelf = false }: NeighboursOptions = {},
): Neighbours {
  checkWidths('nearestNeighbours', queries.width, references.width);
  checkFeatures('nearestNeighbours', queries, 0);
  if (!Number.isSafeInteger(k) || k < 1)
    throw new RangeError(`nearestNeighbours: k must be a whole number of at least 1, got ${k}`);
  checkFeatures('nearestNeighbours', references, k + (withoutSelf ? 1 : 0));
  const { indices, squared } = squaredNeighbours(queries, references, { k, withoutSelf });
  return { indices, distances: squared.map(Math.sqrt) };
}

/** The same with the distances' squares, [n, k], as they were added up. */
export function squaredNeighbours(
  queries: Features,
  references: Features,
  { k, withoutSelf }: Required<NeighboursOptions>,
): { indices: Int32Array; squared: Float64Array } {
  const { width } = queries;
  const [n, m] = [queries.data.length / width, references.data.length / width];
  const [q, r] = [Float64Array.from(queries.data), Float64Array.from(references.data)];
  const indices = new Int32Array(n * k).fill(-1);
  const squared = new Float64Array(n * k).fill(Infinity);
  for (let start = 0; start < m; start += BLOCK) {
    const end = Math.min(start + BLOCK, m);
    for (let i = 0; i < n; i++) {
      const last = (i + 1) * k - 1;
      for (let j = start; j < end; j++) {
        if (withoutSelf && j === i) continue;
        const distance = squaredDistance(q, i * width, r, j * width, width, squared[last]);
        if (distance >= squared[last]) continue;
        let place = last;
        for (; place > i * k && squared[place - 1] > distance; place--) {
          squared[place] = squared[place - 1];
          indices[place] = indices[place - 1];
        }
        squared[place] = distance;
        indices[place] = j;
      }
    }
  }
  return { indices, squared };
}

/** Numbers after which it is looked whether a distance is too large already. */
const STRIDE = 16;

/** Σ (a − b)², or something larger than `most` once it is more. */
export function squaredDistance(
  a: Float64Array,
  p: number,
  b: Float64Array,
  q: number,
  width: number,
  most = Infinity,
): number {
  let sum = 0;
  for (let start = 0; start < width && sum <= most; start += STRIDE) {
    const end = Math.min(start + STRIDE, width);
    for (let k = start; k < end; k++) {
      const difference = a[p + k] - b[q + k];
      sum += difference * difference;
    }
  }
  return sum;
}
