import type { Level } from '../levels/level';

/** What the loss at a level counts for. */
export type Weighting = (level: Level) => number;
