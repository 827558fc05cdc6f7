import type { Moments } from './moments';
import type { Prior } from './prior';

/**
 * The Gaussian with the mean and covariance that x has at the level, N(signal·μ, signal²·Σ + sigma²·I), for `Moments`
 * of the images: of all Gaussians the nearest to q(x_T), and exactly it for Gaussian data. It is the symmetric root of
 * that covariance times z, so that the same noise gives a picture like the one that `standard` begins with. With
 * classes, μ and Σ are those of the label's; one group is for every label.
 * @throws RangeError if the moments' shapes do not fit each other, and, when it is called, if the label has none
 */
export function matched({ mean, directions, variances, rest }: Moments): Prior {
  const [groups, k] = variances.shape;
  const size = mean.data.length / groups;
  const sizes = { mean: groups * size, directions: groups * k * size, variances: groups * k, rest: groups };
  for (const [name, length] of Object.entries(sizes)) {
    const { data } = { mean, directions, variances, rest }[name as keyof Moments];
    if (data.length !== length)
      throw new RangeError(`matched: ${name} should have ${length} values, as the others say, not ${data.length}`);
  }
  return (noise, { signal, sigma }, label = groups - 1) => {
    const group = groups === 1 ? 0 : label;
    if (!(group >= 0 && group < groups))
      throw new RangeError(`matched: there are moments of ${groups} groups, and none for the label ${label}`);
    if (noise.length !== size)
      throw new RangeError(`matched: the moments are of images of ${size} values, not ${noise.length}`);
    const deviationAt = (variance: number) => Math.hypot(signal * Math.sqrt(variance), sigma);
    const beside = deviationAt(rest.data[group]);
    const x = Float64Array.from(noise, (z, d) => signal * mean.data[group * size + d] + beside * z);
    for (let i = 0; i < k; i++) {
      const direction = directions.data.subarray((group * k + i) * size, (group * k + i + 1) * size);
      const along = direction.reduce((sum, value, d) => sum + value * noise[d], 0);
      const more = (deviationAt(variances.data[group * k + i]) - beside) * along;
      for (let d = 0; d < size; d++) x[d] += more * direction[d];
    }
    return Float32Array.from(x);
  };
}
