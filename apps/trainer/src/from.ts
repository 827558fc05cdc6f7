import { stat } from 'node:fs/promises';
import { relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { show } from '@ddpm/app-common';
import type { Checkpoint, NetworkReference } from '@ddpm/checkpoint';
import { findCheckpoint, pretrainedCheckpoint, readCheckpoint, runFolderOf } from '@ddpm/checkpoint';
import { isPipelineFolder } from '@ddpm/diffusers';
import { loadParameters } from '@ddpm/layers';
import { pipelineCheckpoint } from '@ddpm/models';
import type { Training } from './tasks/training';

/** A model whose weights a run begins with. */
export interface Source {
  /** As the command line names it. */
  readonly path: string;
  /** The run folder that its networks' files are named from. */
  readonly folder: string;
  readonly checkpoint: Omit<Checkpoint, 'state'>;
  /** One line for each newer checkpoint that cannot be used. */
  readonly unusable: readonly string[];
}

/**
 * The newest usable checkpoint of a run folder, the one in a file, that of a package of a pretrained model, or what
 * diffusers saved in a folder.
 * @throws Error in one line if there is none
 */
export async function findSource(path: string): Promise<Source> {
  const found = await stat(path).catch(() => undefined);
  if (!found && path.startsWith('@'))
    return findSource(await pretrainedCheckpoint(path, { bases: [fileURLToPath(import.meta.url)] }));
  if (found?.isFile()) return { path, folder: runFolderOf(path), checkpoint: await readCheckpoint(path), unusable: [] };
  if (isPipelineFolder(path)) return { path, folder: path, checkpoint: await pipelineCheckpoint(path), unusable: [] };
  const { checkpoint, unusable } = await findCheckpoint(path);
  return { path, folder: path, checkpoint, unusable };
}

/** Entries of a meaning that are the data's, and may be others for other data, or say how to draw. */
const free = ['image', 'classNames', 'labelDropout', 'prior', 'sampling', 'lora', 'inpainting'];

/** As it is compared: of latents all but the size of the images. */
function comparable(key: string, value: unknown): string | undefined {
  const ofLatents = key === 'latents' && value !== undefined;
  return JSON.stringify(ofLatents ? { ...(value as object), image: undefined } : value);
}

/**
 * Gives a training's variables the weights of a source.
 * @throws Error in one line if they are not of such networks, or mean something else
 */
export function beginWith({ path, checkpoint: { meaning, weights } }: Source, training: Training): void {
  const refuse = (why: string) => new Error(`--from ${path} does not fit: ${why}`);
  for (const key of new Set([...Object.keys(meaning), ...Object.keys(training.meaning)])) {
    if (free.includes(key) || comparable(key, meaning[key]) === comparable(key, training.meaning[key])) continue;
    throw refuse(`its ${key} is ${show(meaning[key])}, and this run's ${show(training.meaning[key])}`);
  }
  if (training.begun) return;
  try {
    const { task, kept } = training;
    const own = [...weights].filter(([name]) => !task.frozen?.has(name) && !kept?.has(name));
    loadParameters(Object.fromEntries(task.parameters), new Map(own));
  } catch (error) {
    throw refuse((error as Error).message.replace(/^loadParameters: /, ''));
  }
}

/** A source's reference to a network, with its folder named from another run folder. */
export function referenceFrom(
  { folder, checkpoint: { networks } }: Source,
  part: string,
  run: string,
): NetworkReference | undefined {
  const reference = networks[part] as NetworkReference | undefined;
  return reference?.folder === undefined
    ? reference
    : { ...reference, folder: relative(resolve(run), resolve(folder, reference.folder)) };
}
