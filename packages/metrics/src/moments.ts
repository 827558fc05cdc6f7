import type { Features } from './features';
import { checkFeatures, checkWidths } from './features';

/** Mean and covariance of features. */
export interface Moments {
  /** How many rows they were measured on. */
  readonly count: number;
  /** [width]. */
  readonly mean: Float64Array;
  /** [width, width], over count − 1 as `numpy.cov` has it. */
  readonly covariance: Float64Array;
}

/** Takes features part by part, so that they need not be held all at once. */
export interface MomentsSum {
  /** @throws RangeError if they are of another width, or not finite */
  add(features: Features): void;
  /** @throws RangeError if fewer than 2 rows were added */
  moments(): Moments;
}

/** Mean and covariance of rows that come in parts, in float64 and without cancellation (Chan et al. 1979, eq. 2.1). */
export function momentsSum(width: number): MomentsSum {
  let count = 0;
  const mean = new Float64Array(width);
  /** Σ (x − mean)(x − mean)ᵀ, its lower triangle. */
  const scatter = new Float64Array(width * width);
  return {
    add(features) {
      checkWidths('moments', width, features.width);
      const n = checkFeatures('moments', features, 0);
      if (n === 0) return;
      const { data } = features;
      const own = new Float64Array(width);
      for (let i = 0; i < data.length; i++) own[i % width] += data[i];
      for (let j = 0; j < width; j++) own[j] /= n;
      const row = new Float64Array(width);
      const addOuter = (weight: number) => {
        for (let j = 0; j < width; j++) {
          const factor = weight * row[j];
          for (let k = 0; k <= j; k++) scatter[j * width + k] += factor * row[k];
        }
      };
      for (let i = 0; i < n; i++) {
        for (let j = 0; j < width; j++) row[j] = data[i * width + j] - own[j];
        addOuter(1);
      }
      // The means' own difference, as of two points with the weights of their parts.
      for (let j = 0; j < width; j++) row[j] = own[j] - mean[j];
      addOuter((count * n) / (count + n));
      for (let j = 0; j < width; j++) mean[j] += (row[j] * n) / (count + n);
      count += n;
    },
    moments() {
      if (count < 2) throw new RangeError(`moments: needs the features of at least 2 images, got those of ${count}`);
      const covariance = new Float64Array(width * width);
      for (let j = 0; j < width; j++)
        for (let k = 0; k <= j; k++)
          covariance[j * width + k] = covariance[k * width + j] = scatter[j * width + k] / (count - 1);
      return { count, mean: mean.slice(), covariance };
    },
  };
}

/**
 * Mean and covariance of features.
 * @throws RangeError if there are fewer than 2 rows, or numbers that are not finite
 */
export function moments(features: Features): Moments {
  const sum = momentsSum(features.width);
  sum.add(features);
  return sum.moments();
}
