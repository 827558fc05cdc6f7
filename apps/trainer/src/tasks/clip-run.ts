import { fileURLToPath } from 'node:url';
import type { NetworkReference } from '@ddpm/checkpoint';
import type { LoadedClip } from '@ddpm/models';
import { heldClip, loadClip } from '@ddpm/models';
import type { Arrays, Task } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { findSource } from '../from';
import type { Ingredients } from './training';

/** Which CLIP's vectors are learned. */
export const clip = {
  flag: '--clip <run>',
  does: 'the run of --task clip whose vectors are decoded, or learned; it goes into the checkpoints too',
  schema: z.string().min(1, 'must name a run').optional(),
} as const;

/** A CLIP that another network works with, its vectors' length, and how it is made again. */
export interface ClipRun extends LoadedClip {
  readonly features: number;
  readonly reference: NetworkReference;
}

/**
 * The CLIP of the run that is named, or that the run holds which is gone on with.
 * @param wanted what the error says where none is named, such as "--task prior learns a CLIP's vectors"
 * @throws Error in one line if there is none, or it is of other images than the dataset's
 */
export async function openClip(
  {
    settings: { clip: path },
    dataset,
    before,
  }: { readonly settings: { readonly clip?: string } } & Pick<Ingredients, 'dataset' | 'before'>,
  wanted: string,
): Promise<ClipRun> {
  const held = before && (path === undefined || path === before.checkpoint.settings.clip);
  if (!held && path === undefined) throw new Error(`${wanted}: name the run of ddpm-train --task clip by --clip`);
  const opened = held ? await heldIn(before) : await fromRun(path!);
  const { shape: image } = dataset;
  if (opened.image.join() !== image.join())
    throw new Error(
      `${path ?? before!.folder} is of images of ${opened.image.join('×')}, and these are of ${image.join('×')}`,
    );
  const features = tf.tidy(() => opened.clip.encodeImage(tf.zeros([1, ...image])).shape[1]);
  return { ...opened, features };
}

async function fromRun(path: string): Promise<Omit<ClipRun, 'features'>> {
  const { checkpoint, folder } = await findSource(path);
  try {
    const bases = [fileURLToPath(import.meta.url)];
    const loaded = await loadClip({ ...checkpoint, state: new Map() }, { run: folder, bases });
    if (loaded.levels)
      throw new Error('it is a CLIP of noisy images (--noised), which guides, and whose vectors are not decoded');
    const { clip: reference } = checkpoint.networks;
    if (reference.folder !== undefined)
      throw new Error('its network is a file of its own, which the run to be does not hold; make it a package');
    return { ...loaded, reference };
  } catch (error) {
    throw new Error(`${path} cannot be used: ${(error as Error).message}`, { cause: error });
  }
}

async function heldIn({
  folder: run,
  checkpoint,
}: NonNullable<Ingredients['before']>): Promise<Omit<ClipRun, 'features'>> {
  const loaded = await heldClip(checkpoint, { run, bases: [fileURLToPath(import.meta.url)] });
  return { ...loaded, reference: checkpoint.networks.clip };
}

/** A task whose checkpoints hold the CLIP too, so that nothing else is needed to draw. */
export const holding = (task: Task, { parameters }: Pick<ClipRun, 'parameters'>): Task => ({
  ...task,
  buffers: (): Arrays => new Map([...parameters].map(([path, variable]) => [path, variable.dataSync<'float32'>()])),
});
