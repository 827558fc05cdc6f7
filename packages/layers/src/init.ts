import type { Random } from '@ddpm/random';

/** How widely a layer's weights connect, as PyTorch counts it. */
export interface Fans {
  /** How many numbers each output is made of. */
  readonly fanIn: number;
  /** How many outputs each number goes into. */
  readonly fanOut: number;
}

/** Draws the initial weights of a layer: `count` float32 numbers. */
export type Init = (rng: Random, count: number, fans: Fans) => Float32Array;

/** U(±bound). */
export function uniforms(rng: Random, count: number, bound: number): Float32Array {
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) values[i] = (2 * rng.uniform() - 1) * bound;
  return values;
}

/** Zeros, for the last layer of a branch: the branch then adds nothing at first. */
export const zeroInit: Init = (_rng, count) => new Float32Array(count);

/** N(0, std²). */
export const normalInit =
  (std: number): Init =>
  (rng, count) =>
    rng.normals(count).map((z) => std * z);

/** U(±√(6 / (fanIn + fanOut))) (Glorot & Bengio 2010), PyTorch's `xavier_uniform_`. */
export const xavierInit: Init = (rng, count, { fanIn, fanOut }) =>
  uniforms(rng, count, Math.sqrt(6 / (fanIn + fanOut)));
