import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus';
import type { JumpableRandomGenerator } from 'pure-rand/types/JumpableRandomGenerator';
import type { Seed } from './seed';
import { stateFromSeed } from './seed';

/** A source of standard normal numbers: a `Random`, or several side by side. */
export interface NormalSource {
  /** Float32Array of `count` independent draws from N(0, 1). */
  normals(count: number): Float32Array;
}

/**
 * A seeded generator of random numbers (xoroshiro128+) whose whole state can be saved. The same seed gives the same
 * numbers on every machine.
 *
 * A seed may have several parts, numbers and names, `new Random([seed, 'train', step])`: each combination is a stream
 * of its own.
 * @throws RangeError if a number in the seed is not a whole number up to 2^53 − 1.
 */
export class Random implements NormalSource {
  private readonly generator: JumpableRandomGenerator;

  constructor(seed: Seed);
  /** @internal */
  constructor(generator: JumpableRandomGenerator);
  constructor(seed: Seed | JumpableRandomGenerator) {
    this.generator =
      typeof seed === 'number' || 'length' in seed ? xoroshiro128plusFromState(stateFromSeed(seed)) : seed;
  }

  /**
   * A generator that goes on exactly where `state()` was taken.
   * @throws RangeError if the state is not four 32-bit integers, not all zero.
   */
  static fromState(state: readonly number[]): Random {
    if (state.length !== 4 || !state.every((word) => word === (word | 0)) || state.every((word) => word === 0)) {
      throw new RangeError(`Random: a state is four 32-bit integers, not all zero, got [${state.join(', ')}]`);
    }
    return new Random(xoroshiro128plusFromState(state));
  }

  /** Four 32-bit integers: all there is to save. */
  state(): number[] {
    return [...this.generator.getState()];
  }

  /** Uniform in [0, 1), 53 random bits. */
  uniform(): number {
    return uniformFloat64(this.generator);
  }

  /** Uniform over 0 … n − 1, without bias. */
  integer(n: number): number {
    if (!Number.isSafeInteger(n) || n < 1)
      throw new RangeError(`Random.integer: n must be a whole number of at least 1, got ${n}`);
    return uniformInt(this.generator, 0, n - 1);
  }

  /** Int32Array of `count` draws, uniform over 0 … n − 1. */
  integers(count: number, n: number): Int32Array {
    return Int32Array.from({ length: count }, () => this.integer(n));
  }

  /** One draw from N(0, 1). */
  normal(): number {
    return this.normalPair()[0];
  }

  normals(count: number): Float32Array {
    const out = new Float32Array(count);
    for (let i = 0; i < count; i += 2) {
      const [first, second] = this.normalPair();
      out[i] = first;
      // Past an odd end, a typed array drops the write.
      out[i + 1] = second;
    }
    return out;
  }

  /** Shuffles in place (Fisher–Yates) and returns the same array. */
  shuffle<T extends { length: number; [index: number]: unknown }>(array: T): T {
    for (let i = array.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [array[i], array[j]] = [array[j], array[i]];
    }
    return array;
  }

  /** Box & Muller 1958: two independent normals from two uniforms. */
  private normalPair(): [number, number] {
    // 1 − u lies in (0, 1], where the logarithm is finite.
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    const angle = 2 * Math.PI * this.uniform();
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  }
}

/**
 * Draws equal shares from each source in turn, so that what one image of a batch receives does not depend on the
 * others.
 * @throws RangeError if `count` is not a multiple of the number of sources.
 */
export function sideBySide(sources: readonly NormalSource[]): NormalSource {
  return {
    normals(count) {
      const share = count / sources.length;
      if (!Number.isInteger(share))
        throw new RangeError(`sideBySide: ${count} numbers cannot be shared equally by ${sources.length} sources`);
      const out = new Float32Array(count);
      sources.forEach((source, i) => out.set(source.normals(share), i * share));
      return out;
    },
  };
}
