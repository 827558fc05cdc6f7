import { join } from 'node:path';
import type { Checkpoint } from '@ddpm/checkpoint';
import { readCheckpoint, writeCheckpoint } from '@ddpm/checkpoint';
import type { Run } from './prepare';

/** Where in the engine's state the weights are that one samples with, and which a checkpoint holds as its parameters. */
const sampledWith = ({ settings }: Run) => (settings.ema === undefined ? 'parameters/' : 'ema/weights/');

/** The run as it is after `step` steps. */
export async function checkpointOf(run: Run, step: number): Promise<Checkpoint> {
  const prefix = sampledWith(run);
  const state = await run.engine.state();
  // Where the run lies is not part of what it is.
  const { out: _, ...settings } = { preset: run.preset, ...run.settings };
  const parameters: Checkpoint['parameters'] = new Map(
    [...run.parameters].map(([name, { shape }]) => {
      const data = state.get(prefix + name)!;
      state.delete(prefix + name);
      return [name, { shape, data }];
    }),
  );
  return { model: run.model, betas: run.schedule.betas, step, settings, parameters, state };
}

/** Takes a run back to where a checkpoint was made. */
export async function restore(run: Run, checkpoint: Checkpoint, path: string): Promise<void> {
  const state = new Map(checkpoint.state);
  for (const [name, { data }] of checkpoint.parameters) state.set(sampledWith(run) + name, data);
  await run.engine.restore(state).catch((error: Error) => {
    throw new Error(`${path} does not fit this run: ${error.message}`, { cause: error });
  });
}

const bestPath = (folder: string) => join(folder, 'best.safetensors');
const BEST_LOSS = 'validationLoss';

/** Saves the run as the one with the least validation loss. It is to be sampled from, not gone on with, and holds nothing for that. */
export async function saveBest(folder: string, run: Run, step: number, loss: number): Promise<void> {
  await writeCheckpoint(bestPath(folder), { ...(await checkpointOf(run, step)), state: new Map([[BEST_LOSS, Float32Array.of(loss)]]) });
}

/** The validation loss of what `saveBest` saved; Infinity where there is nothing usable. */
export async function bestLoss(folder: string): Promise<number> {
  const best = await readCheckpoint(bestPath(folder)).catch(() => undefined);
  return best?.state.get(BEST_LOSS)?.[0] ?? Infinity;
}
