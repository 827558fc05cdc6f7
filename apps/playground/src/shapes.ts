import { Random } from '@ddpm/random';

/* Points to begin with, [n, 2] in [−1, 1], and numbers as text for a link. */

type Curve = (u: number, rng: Random) => readonly [x: number, y: number];

const around = Math.PI * 2;
const curves: Readonly<Record<string, Curve>> = {
  spiral: (u) => [0.85 * u * Math.cos(1.8 * around * u), 0.85 * u * Math.sin(1.8 * around * u)],
  moons: (u, rng) => {
    const angle = Math.PI * u;
    return rng.uniform() < 0.5
      ? [0.55 * Math.cos(angle) - 0.25, 0.55 * Math.sin(angle) - 0.15]
      : [0.25 - 0.55 * Math.cos(angle), 0.15 - 0.55 * Math.sin(angle)];
  },
  rings: (u, rng) => {
    const radius = rng.uniform() < 0.35 ? 0.3 : 0.8;
    return [radius * Math.cos(around * u), radius * Math.sin(around * u)];
  },
  squares: (u, rng) => {
    const cell = 2 * Math.floor(8 * u);
    const row = Math.floor(cell / 4);
    const column = (cell % 4) + (row % 2);
    return [(column + rng.uniform()) / 2 - 1, (row + rng.uniform()) / 2 - 1].map((v) => 0.9 * v) as [number, number];
  },
};

export const shapeNames: readonly string[] = Object.keys(curves);

/** A shape's points. */
export function shape(name: string, count = 800): Float32Array {
  const rng = new Random([1, name]);
  const points = new Float32Array(2 * count);
  for (let i = 0; i < count; i++) {
    const [x, y] = curves[name]((i + 0.5) / count, rng);
    points.set([x + 0.015 * rng.normals(1)[0], y + 0.015 * rng.normals(1)[0]], 2 * i);
  }
  return points;
}

const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** Numbers in [−1, 1], each as one of 64. */
export const toText = (values: ArrayLike<number>): string =>
  Array.from(values, (v) => digits[Math.min(63, Math.max(0, Math.round(((v + 1) / 2) * 63)))]).join('');

/** The reverse; of a text that is none, nothing. */
export const fromText = (text: string): Float32Array =>
  /^[\w-]*$/.test(text) ? Float32Array.from(text, (c) => (digits.indexOf(c) / 63) * 2 - 1) : new Float32Array();

/** Whether each of them is, six to a letter. */
export const bitsToText = (values: ArrayLike<boolean>): string =>
  Array.from(
    { length: Math.ceil(values.length / 6) },
    (_, i) => digits[[0, 1, 2, 3, 4, 5].reduce((sum, k) => sum + (values[6 * i + k] ? 2 ** k : 0), 0)],
  ).join('');

/** The reverse, of so many. */
export const bitsFromText = (text: string, length: number): boolean[] =>
  Array.from({ length }, (_, i) => ((digits.indexOf(text[Math.floor(i / 6)] ?? 'A') >> (i % 6)) & 1) === 1);
