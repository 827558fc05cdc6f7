import { join } from 'node:path';
import type { Checkpoint } from '@ddpm/checkpoint';
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

export const bestPath = (folder: string) => join(folder, 'best.safetensors');
