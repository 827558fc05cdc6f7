import { join } from 'node:path';
import type { Checkpoint, JsonObject } from '@ddpm/checkpoint';
import { readCheckpoint, writeCheckpoint } from '@ddpm/checkpoint';
import type { Run } from './prepare';
import type { Resumed } from './resume';

/** The part of a run that stays the same from one checkpoint to the next. */
export interface Identity {
  /** How its networks are rebuilt, from the run folder. */
  readonly networks: Checkpoint['networks'];
  /** All that it is made from. Where the run lies is not part of what it is. */
  readonly settings: JsonObject;
}

/** The run as it is after `step` steps. */
export const checkpointOf = async (
  { training, learner }: Run,
  { networks, settings }: Identity,
  step: number,
): Promise<Checkpoint> => {
  const { weights, state } = await learner.save();
  return {
    ...{ networks, settings, step, meaning: training.meaning, state },
    ...(training.measured && { measured: training.measured }),
    weights: training.kept ? new Map([...weights, ...training.kept]) : weights,
  };
};

/** Takes a run back to where a checkpoint was made. */
export async function restore(
  { learner, training }: Run,
  { checkpoint: { weights, state }, path }: Resumed,
): Promise<void> {
  const own = new Map([...weights].filter(([name]) => !training.kept?.has(name)));
  try {
    await learner.restore({ weights: own, state });
  } catch (error) {
    throw new Error(`${path} does not fit this run: ${(error as Error).message}`, { cause: error });
  }
}

const bestPath = (folder: string) => join(folder, 'best.safetensors');
const BEST_LOSS = 'validationLoss';

/**
 * Saves the run as the one with the least validation loss. It is to be sampled from, not gone on with, and holds
 * nothing for that.
 */
export async function saveBest(folder: string, checkpoint: Checkpoint, loss: number): Promise<void> {
  await writeCheckpoint(bestPath(folder), { ...checkpoint, state: new Map([[BEST_LOSS, Float64Array.of(loss)]]) });
}

/** The validation loss of what `saveBest` saved; Infinity where there is nothing usable. */
export async function bestLoss(folder: string): Promise<number> {
  const best = await readCheckpoint(bestPath(folder)).catch(() => undefined);
  return best?.state.get(BEST_LOSS)?.[0] ?? Infinity;
}
