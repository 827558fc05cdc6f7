import { Random } from '@ddpm/random';
import type { Features } from './features';
import { checkFeatures, checkWidths } from './features';

/** A squared maximum mean discrepancy, and how far off it may be. */
export interface KernelDistance {
  /** Its mean over the blocks; about 0, and as often below, where both are of one distribution. */
  readonly value: number;
  /** The standard error of that mean. */
  readonly error: number;
}

/** How the kernel distance is measured. */
export interface KernelDistanceOptions {
  /** Disjoint parts that the rows are dealt into; by default 10, or more where a block would be larger than 1,000. */
  readonly blocks?: number;
  /** Of the order in which they are dealt; 0 by default. */
  readonly seed?: number;
}

/** The largest block, since the work grows with its square. torch-fidelity's default. */
const MAX_BLOCK = 1000;

/**
 * The squared maximum mean discrepancy under the kernel (x·y/width + 1)³, unbiased: "KID" where the features are
 * Inception's (Bińkowski et al. 2018). Its mean over blocks of both sets, as torch-fidelity computes it, but that these
 * are disjoint, so that their deviation gives a standard error.
 * @throws RangeError unless both have rows of one width, finite, and at least two in each block
 */
export function kernelDistance(
  a: Features,
  b: Features,
  { blocks: asked, seed = 0 }: KernelDistanceOptions = {},
): KernelDistance {
  const { width } = a;
  checkWidths('kernelDistance', width, b.width);
  const counts = [checkFeatures('kernelDistance', a), checkFeatures('kernelDistance', b)];
  const least = Math.min(...counts);
  const blocks = asked ?? Math.max(10, Math.ceil(least / MAX_BLOCK));
  if (!Number.isSafeInteger(blocks) || blocks < 2)
    throw new RangeError(`kernelDistance: blocks must be a whole number of at least 2, got ${blocks}`);
  if (least < 2 * blocks)
    throw new RangeError(
      `kernelDistance: ${blocks} blocks need the features of at least ${2 * blocks} images, got those of ${least}`,
    );
  const size = Math.floor(least / blocks);
  const [orderA, orderB] = counts.map((n, i) =>
    new Random(['kernel-distance', i, seed]).shuffle(Int32Array.from({ length: n }, (_, k) => k)),
  );
  const values = Array.from({ length: blocks }, (_, block) =>
    discrepancy(rows(a, orderA, block * size, size), rows(b, orderB, block * size, size), size, width),
  );
  const value = values.reduce((sum, one) => sum + one, 0) / blocks;
  const variance = values.reduce((sum, one) => sum + (one - value) ** 2, 0) / (blocks - 1);
  return { value, error: Math.sqrt(variance / blocks) };
}

/** The rows that stand at `start` and after it in the order, as float64. */
function rows({ data, width }: Features, order: Int32Array, start: number, count: number): Float64Array {
  const out = new Float64Array(count * width);
  for (let i = 0; i < count; i++) {
    const from = order[start + i] * width;
    out.set(data.subarray(from, from + width), i * width);
  }
  return out;
}

/** Σ_{i≠j} k(x_i, x_j)/(m(m−1)) + Σ_{i≠j} k(y_i, y_j)/(m(m−1)) − 2 Σ_ij k(x_i, y_j)/m². */
export function discrepancy(x: Float64Array, y: Float64Array, m: number, width: number): number {
  const kernel = (u: Float64Array, i: number, v: Float64Array, j: number) => {
    let dot = 0;
    for (let k = 0, p = i * width, q = j * width; k < width; k++) dot += u[p + k] * v[q + k];
    return (dot / width + 1) ** 3;
  };
  let [within, between] = [0, 0];
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < i; j++) within += 2 * (kernel(x, i, x, j) + kernel(y, i, y, j));
    for (let j = 0; j < m; j++) between += kernel(x, i, y, j);
  }
  return within / (m * (m - 1)) - (2 * between) / (m * m);
}
