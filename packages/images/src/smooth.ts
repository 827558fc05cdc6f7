/**
 * The mean around each value, weighted by exp(−distance / (points / 2)) to both sides, so that it does not lag behind.
 * Values that are not finite are skipped, and give NaN in their place.
 * @throws RangeError unless `points` is at least 1
 */
export function smooth(values: ArrayLike<number>, points: number): Float64Array {
  if (!(points >= 1)) throw new RangeError(`smooth: points must be at least 1, got ${points}`);
  const keep = Math.exp(-2 / points);
  const sums = new Float64Array(values.length);
  const weights = new Float64Array(values.length);
  const sweep = (from: number, step: 1 | -1) => {
    let sum = 0;
    let weight = 0;
    for (let i = from; i >= 0 && i < values.length; i += step) {
      // What lies before i on this side; i itself is added once, below.
      sums[i] += sum;
      weights[i] += weight;
      const known = Number.isFinite(values[i]);
      sum = keep * (sum + (known ? values[i] : 0));
      weight = keep * (weight + (known ? 1 : 0));
    }
  };
  sweep(0, 1);
  sweep(values.length - 1, -1);
  return sums.map((sum, i) => (Number.isFinite(values[i]) ? (sum + values[i]) / (weights[i] + 1) : NaN));
}
