import { EigenvalueDecomposition, Matrix, SingularValueDecomposition } from 'ml-matrix';
import { checkWidths } from './features';
import type { Moments } from './moments';

/**
 * The squared Fréchet (2-Wasserstein) distance of two normal distributions,
 * ‖μ_1 − μ_2‖² + tr(Σ_1 + Σ_2 − 2 (Σ_1 Σ_2)^½) (Dowson & Landau 1982): "FID" where the features are Inception's
 * (Heusel et al. 2017). Covariances of fewer images than features, which have no full rank, are as good as others.
 * Bigger for fewer images: compare at the same number.
 * @throws RangeError if the features are of different widths
 */
export function frechetDistance(a: Moments, b: Moments): number {
  const width = a.mean.length;
  checkWidths('frechetDistance', width, b.mean.length);
  let [means, traces] = [0, 0];
  for (let j = 0; j < width; j++) {
    means += (a.mean[j] - b.mean[j]) ** 2;
    traces += a.covariance[j * width + j] + b.covariance[j * width + j];
  }
  // Rounding alone makes it negative where both are the same.
  return Math.max(0, means + traces - 2 * traceOfRoot(a.covariance, b.covariance, width));
}

/**
 * tr (Σ_1 Σ_2)^½ = tr (Σ_1^½ Σ_2 Σ_1^½)^½, which is the sum of the singular values of Σ_1^½ Σ_2^½, and so of
 * Λ_1^½ U_1ᵀ U_2 Λ_2^½. Singular values have an error of ε times the largest, where roots of eigenvalues have one of
 * √ε.
 */
function traceOfRoot(a: Float64Array, b: Float64Array, width: number): number {
  const [left, right] = [rootOf(a, width), rootOf(b, width)];
  if (!left || !right) return 0;
  const product = left.transpose().mmul(right);
  const { diagonal } = new SingularValueDecomposition(product, {
    autoTranspose: true,
    computeLeftSingularVectors: false,
    computeRightSingularVectors: false,
  });
  return diagonal.reduce((sum, value) => sum + value, 0);
}

/** U Λ^½, without the directions in which there is no variance; undefined where there is none at all. */
function rootOf(covariance: Float64Array, width: number): Matrix | undefined {
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(
    Matrix.from1DArray(width, width, covariance),
    { assumeSymmetric: true },
  );
  const noise = Math.max(...realEigenvalues) * width * Number.EPSILON;
  const kept = realEigenvalues.flatMap((value, i) => (value > noise ? [i] : []));
  if (kept.length === 0) return undefined;
  return eigenvectorMatrix.subMatrixColumn(kept).mulRowVector(kept.map((i) => Math.sqrt(realEigenvalues[i])));
}
