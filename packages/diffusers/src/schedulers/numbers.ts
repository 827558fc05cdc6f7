/** NumPy's and PyTorch's ways with numbers, to the bit where a timestep is rounded: what diffusers counts with. */

/** `numpy.linspace`: `count` numbers from `start` to `stop`, both included; one number is `start`. */
export function linspace(start: number, stop: number, count: number): number[] {
  const step = (stop - start) / (count - 1);
  return Array.from({ length: count }, (_, i) => (i === 0 ? start : i === count - 1 ? stop : i * step + start));
}

/** `torch.linspace` in float32, which counts from both ends to the middle. */
export function linspace32(start: number, stop: number, count: number): number[] {
  const [from, to] = [Math.fround(start), Math.fround(stop)];
  const step = Math.fround(Math.fround(to - from) / (count - 1));
  return Array.from({ length: count }, (_, i) =>
    i < count / 2 ? Math.fround(from + (i === 0 ? 0 : step * i)) : Math.fround(to - step * (count - 1 - i)),
  );
}

/** `numpy.arange(start, stop, step)`, whose length is that of rounded arithmetic. */
export function arange(start: number, stop: number, step: number): number[] {
  const stride = start + step - start;
  return Array.from({ length: Math.max(0, Math.ceil((stop - start) / step)) }, (_, i) => start + i * stride);
}

/** `numpy.round`: halves to even. */
export function round(value: number): number {
  const below = Math.floor(value);
  return value - below === 0.5 ? below + (below % 2) : Math.round(value);
}

/** `numpy.interp` at a place among the indices of `values`; beyond their ends, the end. */
export function interpolate(values: readonly number[], at: number): number {
  const last = values.length - 1;
  if (!(at > 0)) return values[0];
  if (at >= last) return values[last];
  const below = Math.floor(at);
  return (values[below + 1] - values[below]) * (at - below) + values[below];
}

/** x with I_x(a, a) = p: the quantile of the beta distribution whose parameters are both a (`scipy.stats.beta.ppf`). */
export function betaQuantile(p: number, a: number): number {
  // Symmetric: the lower half is enough, where x loses no digits.
  if (p > 0.5) return 1 - betaQuantile(1 - p, a);
  let [low, high] = [0, 0.5];
  for (let i = 0; i < 200; i++) {
    const middle = (low + high) / 2;
    if (symmetricBeta(middle, a) < p) low = middle;
    else high = middle;
  }
  return p === 0 ? 0 : (low + high) / 2;
}

/** I_x(a, a) for x up to a half, by its power series (Abramowitz & Stegun 26.5.4), scaled by that at a half. */
function symmetricBeta(x: number, a: number): number {
  const series = (at: number) => {
    // ∫_0^x t^(a−1) (1−t)^(a−1) dt, term by term.
    let [coefficient, sum] = [1, 0];
    for (let k = 0; k < 400; k++) {
      const term = (coefficient * at ** (a + k)) / (a + k);
      sum += term;
      if (term < sum * 1e-17) break;
      coefficient *= (k + 1 - a) / (k + 1);
    }
    return sum;
  };
  return (0.5 * series(x)) / series(0.5);
}
