/**
 * `count` evenly spaced numbers from `start` to `end`, both included; symmetric rounding, as in PyTorch and NumPy's
 * float64.
 */
export function linspace(start: number, end: number, count: number): Float64Array {
  const step = count > 1 ? (end - start) / (count - 1) : 0;
  return Float64Array.from({ length: count }, (_, i) =>
    i < count / 2 ? start + i * step : end - (count - 1 - i) * step,
  );
}

/** @throws RangeError unless timesteps is a whole number of at least 1. */
export function checkTimesteps(who: string, timesteps: number): void {
  if (!Number.isInteger(timesteps) || timesteps < 1) {
    throw new RangeError(`${who}: timesteps must be a whole number of at least 1, got ${timesteps}`);
  }
}
