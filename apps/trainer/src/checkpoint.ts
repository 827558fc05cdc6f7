import { join } from 'node:path';
import type { Checkpoint, JsonObject } from '@ddpm/checkpoint';
import type { Run } from './prepare';
import type { Resumed } from './resume';

/** What of a run stays the same from one checkpoint to the next. */
export interface Identity {
  /** How its networks are rebuilt, from the run folder. */
  readonly networks: Checkpoint['networks'];
  /** All that it is made from. Where the run lies is not part of what it is. */
  readonly settings: JsonObject;
}

/** The run as it is after `step` steps. */
export const checkpointOf = ({ training, learner }: Run, { networks, settings }: Identity, step: number): Checkpoint => ({
  ...{ networks, settings, step, meaning: training.meaning },
  ...learner.save(),
});

/** Takes a run back to where a checkpoint was made. */
export function restore({ learner }: Run, { checkpoint: { weights, state }, path }: Resumed): void {
  try {
    learner.restore({ weights, state });
  } catch (error) {
    throw new Error(`${path} does not fit this run: ${(error as Error).message}`, { cause: error });
  }
}

export const bestPath = (folder: string) => join(folder, 'best.safetensors');
