/**
 * A readable choice of about 3 to 10 values within [min, max] for a logarithmic axis: powers of ten, or 1–2–5 and finer
 * where the range is narrow.
 */
export function logTicks(min: number, max: number): number[] {
  const digitSets = [
    [1],
    [1, 2, 5],
    ...[1, 0.1, 0.01, 0.001].map((step) => Array.from({ length: 9 / step }, (_, i) => 1 + i * step)),
  ];
  for (const digits of digitSets) {
    const ticks = [];
    for (let decade = Math.floor(Math.log10(min)); decade <= Math.log10(max); decade++) {
      for (const digit of digits) ticks.push(Number(`${digit.toFixed(3)}e${decade}`));
    }
    const inside = ticks.filter((tick) => tick >= min && tick <= max);
    if (inside.length >= 3) return inside.filter((_, i) => i % Math.ceil(inside.length / 10) === 0);
  }
  return [min, max];
}
