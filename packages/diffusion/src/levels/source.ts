import type { Random } from '@ddpm/random';
import type { State } from '@ddpm/train';
import type { Level } from './level';

/** A level that was drawn. */
export interface DrawnLevel {
  /** How noisy. */
  readonly level: Level;
  /** The weight of the loss there, so that the sum is that of all levels; 1 by default. */
  readonly weight?: number;
  /** Which of the source's levels it is, where there are finitely many; `observe` is told. */
  readonly index?: number;
}

/** Which levels training meets. */
export interface LevelSource {
  /** Levels for n images. */
  draw(n: number, rng: Random): readonly DrawnLevel[];
  /**
   * Told after each step the index of each image's level, and its loss as it counts, but for the `weight` that was
   * drawn with the level.
   */
  observe?(indices: Int32Array, losses: ArrayLike<number>): void;
  /** The state that `observe` has learned. */
  state?(): State;
  /** Goes on from where `state()` was taken. */
  restore?(state: State): void;
}
