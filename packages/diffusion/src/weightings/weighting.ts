import type { Level } from '../levels/level';

/** The weight of the loss at a level. */
export type Weighting = (level: Level) => number;
