import { Random } from '@ddpm/random';
import type { Batch } from '@ddpm/train';
import { EigenvalueDecomposition, Matrix, QrDecomposition } from 'ml-matrix';

/** A tensor as a file holds it: row-major values. */
interface Stored {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/**
 * Mean and covariance of images: Σ_i variance_i v_i v_iᵀ + rest·(I − Σ_i v_i v_iᵀ), exact along the leading directions
 * v_i, and in its trace. One group holds all images; with classes there is one for each class, and that of all comes
 * last, where `label` is that of no class. These are tensors, as a checkpoint holds them.
 */
export interface Moments {
  /** [groups, h, w, c]. */
  readonly mean: Stored;
  /** v_i, orthonormal; [groups, k, h, w, c]. Zero where a group has fewer. */
  readonly directions: Stored;
  /** [groups, k], the greatest first. */
  readonly variances: Stored;
  /** [groups]. */
  readonly rest: Stored;
}

/** Which moments are measured; each has its default. */
export interface MomentsOptions {
  /** How many leading directions are kept; 32 by default. */
  directions?: number;
  /** How many classes the examples' `label` counts; by default classes do not matter. */
  classes?: number;
}

/** Directions beside those that are kept, which make the last of these exact (Halko et al. 2011, §4). */
const EXTRA = 8;
/** How often the directions go through the covariance before they are read from it. */
const ITERATIONS = 3;

/**
 * Measures mean and covariance of images, by subspace iteration from random directions (Halko et al. 2011, Algorithm
 * 4.4); they are held in memory. 10,000 images of 28×28 take a few seconds.
 * @param batches with a field `image` in [−1, 1], and `label` where there are classes
 * @throws RangeError if there is no image, they differ in shape, or a label is not a class
 */
export async function momentsOf(
  batches: Iterable<Batch> | AsyncIterable<Batch>,
  { directions = 32, classes }: MomentsOptions = {},
): Promise<Moments> {
  const images: Float32Array[] = [];
  const labels: number[] = [];
  let item: readonly number[] | undefined;
  for await (const { image, label } of batches) {
    if (!image || (classes !== undefined && !label))
      throw new RangeError(`momentsOf: the examples need an 'image'${classes === undefined ? '' : " and a 'label'"}`);
    item ??= image.item;
    if (image.item.join() !== item.join())
      throw new RangeError(`momentsOf: images must be alike, got ${item.join('×')} and ${image.item.join('×')}`);
    const size = item.reduce((product, side) => product * side, 1);
    for (let at = 0; at < image.data.length; at += size) images.push(image.data.slice(at, at + size) as Float32Array);
    if (classes !== undefined) labels.push(...label.data);
  }
  if (!item) throw new RangeError('momentsOf: expected images, got none');
  const wrong = labels.find((label) => !(label >= 0 && label < classes!));
  if (wrong !== undefined)
    throw new RangeError(`momentsOf: a label must be a class from 0 to ${classes! - 1}, got ${wrong}`);

  const size = images[0].length;
  const k = Math.min(directions, size);
  const all = measured(images, k);
  const groups = Array.from({ length: classes ?? 0 }, (_, label) => {
    const own = images.filter((_, i) => labels[i] === label);
    return own.length > 0 ? measured(own, k) : all;
  });
  groups.push(all);
  const together = (of: (group: Measured) => ArrayLike<number>, shape: readonly number[]): Stored => {
    const parts = groups.map(of);
    const data = new Float32Array(parts.length * parts[0].length);
    parts.forEach((part, i) => data.set(part, i * part.length));
    return { shape: [groups.length, ...shape], data };
  };
  return {
    mean: together(({ mean }) => mean, item),
    directions: together((group) => group.directions, [k, ...item]),
    variances: together(({ variances }) => variances, [k]),
    rest: together(({ rest }) => [rest], []),
  };
}

interface Measured {
  readonly mean: Float64Array;
  readonly directions: Float32Array;
  readonly variances: Float64Array;
  readonly rest: number;
}

/** Mean, k leading directions and the mean variance beside them. */
function measured(images: readonly Float32Array[], k: number): Measured {
  const [n, size] = [images.length, images[0].length];
  const mean = new Float64Array(size);
  for (const image of images) for (let d = 0; d < size; d++) mean[d] += image[d] / n;
  let trace = 0;
  for (const image of images) for (let d = 0; d < size; d++) trace += (image[d] - mean[d]) ** 2 / n;

  const kept = Math.min(k, n - 1);
  const directions = new Float32Array(k * size);
  const variances = new Float64Array(k);
  if (kept > 0) {
    const columns = Math.min(kept + EXTRA, size);
    const start = new Random(['moments']).normals(size * columns);
    let basis = orthonormal(Matrix.from1DArray(size, columns, start));
    for (let i = 0; i < ITERATIONS; i++) basis = orthonormal(covarianceTimes(images, mean, basis));
    const within = basis.transpose().mmul(covarianceTimes(images, mean, basis));
    const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(within, { assumeSymmetric: true });
    const order = realEigenvalues.map((_, i) => i).sort((a, b) => realEigenvalues[b] - realEigenvalues[a]);
    order.slice(0, kept).forEach((column, i) => {
      variances[i] = Math.max(0, realEigenvalues[column]);
      directions.set(basis.mmul(eigenvectorMatrix.getColumnVector(column)).to1DArray(), i * size);
    });
  }
  const along = variances.reduce((sum, variance) => sum + variance, 0);
  return { mean, directions, variances, rest: size > kept ? Math.max(0, trace - along) / (size - kept) : 0 };
}

/** Columns that span the same, orthonormal. */
const orthonormal = (matrix: Matrix): Matrix => new QrDecomposition(matrix).orthogonalMatrix;

/** 1/n Σ (x − μ)(x − μ)ᵀ B, image by image, so that the covariance is never made; B: [size, columns]. */
function covarianceTimes(images: readonly Float32Array[], mean: Float64Array, basis: Matrix): Matrix {
  const [size, columns] = [basis.rows, basis.columns];
  const given = Float64Array.from(basis.to1DArray());
  const product = new Float64Array(size * columns);
  const along = new Float64Array(columns);
  for (const image of images) {
    along.fill(0);
    for (let d = 0, at = 0; d < size; d++) {
      const value = image[d] - mean[d];
      for (let j = 0; j < columns; j++) along[j] += value * given[at++];
    }
    for (let d = 0, at = 0; d < size; d++) {
      const value = image[d] - mean[d];
      for (let j = 0; j < columns; j++) product[at++] += value * along[j];
    }
  }
  return Matrix.from1DArray(size, columns, product).div(images.length);
}
