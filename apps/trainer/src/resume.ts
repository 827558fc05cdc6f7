import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { show, UsageError } from '@ddpm/app-common';
import type { Checkpoint } from '@ddpm/checkpoint';
import { findCheckpoint, runFolderOf } from '@ddpm/checkpoint';
import { learningRate } from '@ddpm/train';
import type { Settings } from './table';
import { changeable } from './table';

/** A run that is gone on with. */
export interface Resumed {
  readonly folder: string;
  readonly checkpoint: Checkpoint;
  /** The checkpoint's file. */
  readonly path: string;
  /** One line for each newer checkpoint that cannot be used. */
  readonly unusable: readonly string[];
}

/**
 * Finds the newest usable checkpoint of a run.
 * @throws Error in one line if there is none, or `config.json` tells of another run than the checkpoint
 */
export async function findRun(folder: string): Promise<Resumed> {
  const isFile = await stat(folder).then(
    (found) => found.isFile(),
    () => false,
  );
  if (isFile)
    throw new UsageError(
      `${folder} is a file, and a run goes on from its newest checkpoint: --resume ${runFolderOf(folder)}`,
    );
  const found = { folder, ...(await findCheckpoint(folder)) };
  await checkConfig(found);
  return found;
}

/**
 * A checkpoint of another run, or a change in `config.json`, would otherwise take the place of what the run began with.
 */
async function checkConfig({ folder, checkpoint, path }: Resumed): Promise<void> {
  const file = join(folder, 'config.json');
  let config: Record<string, unknown>;
  try {
    config = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
  } catch {
    return; // It is written anew.
  }
  for (const [name, value] of Object.entries(checkpoint.settings)) {
    if (
      changeable.includes(name) ||
      config[name] === undefined ||
      JSON.stringify(config[name]) === JSON.stringify(value)
    )
      continue;
    throw new Error(
      `${file} says ${name} ${show(config[name])}, but ${path} was made with ${show(value)}: either the one was changed or the other is of another run`,
    );
  }
}

/**
 * @param start steps done
 * @param steps steps asked for
 * @throws Error in one line if more are done
 */
export function checkLength({ folder }: Resumed, start: number, steps: number): void {
  if (steps < start)
    throw new Error(
      `${folder} has been trained for ${start} steps already, more than the ${steps} asked for; it stays as it is`,
    );
}

/**
 * Says that the learning rate jumps where a run that is gone on with has another length, since its decay ends with the
 * run.
 */
export function rateJump(
  settings: Settings,
  { start, before, after }: { start: number; before: number; after: number },
): string | undefined {
  const { learningRate: base, warmup, decay } = settings;
  const [from, to] = [before, after].map((steps) =>
    Number(learningRate({ base, warmup, decay, steps })(start).toPrecision(3)),
  );
  if (from === to) return undefined;
  return `the learning rate of step ${start} becomes ${to} instead of ${from}, since --decay ${decay} now ends after ${after} steps, not ${before}`;
}
