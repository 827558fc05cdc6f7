import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { UsageError } from '@ddpm/app-common';
import { findCheckpoint, readCheckpoint, reason, runFolderOf } from '@ddpm/checkpoint';
import type { Execution } from '@ddpm/execution';
import type { ClassifierGuidance, Denoiser, DrawOptions, LoadedNoisedClassifier } from '@ddpm/models';
import { classifierGuidance, labels, loadNoisedClassifier } from '@ddpm/models';
import type { Way } from './edit';
import type { Settings } from './options';
import { classesAsked } from './plan';

/** A classifier's guidance of images to their classes. */
export interface Lead extends Pick<ClassifierGuidance, 'dispose'> {
  readonly lead: NonNullable<DrawOptions['lead']>;
}

/**
 * The classifier of noisy images that a run or a checkpoint holds, where one is asked for.
 * @throws Error in one line if it does not fit the model
 */
export async function openLead({ denoiser }: { denoiser: Denoiser }, { classifier, compare }: Settings) {
  if (classifier === undefined) return undefined;
  if (compare) throw new UsageError('--classifier and --compare exclude each other');
  if (denoiser.network.conditions?.length)
    throw new UsageError('--classifier leads a model that takes no classes, and this one is told them');
  const opened = await open(classifier);
  const [own, other] = [denoiser.levels.schedule?.betas, opened.levels.schedule?.betas];
  if (opened.image.join() !== denoiser.image.join())
    throw new Error(
      `${classifier} is of images of ${opened.image.join('×')}, and the model's are ${denoiser.image.join('×')}`,
    );
  if (!own || own.join() !== other?.join())
    throw new Error(
      `${classifier} was trained at other noise levels than the model; train it with the same --schedule and --timesteps`,
    );
  return opened;
}

async function open(path: string): Promise<LoadedNoisedClassifier> {
  try {
    const isFolder = (await stat(path)).isDirectory();
    const checkpoint = isFolder ? (await findCheckpoint(path)).checkpoint : await readCheckpoint(path);
    const run = isFolder ? path : runFolderOf(path);
    return await loadNoisedClassifier(checkpoint, { run, bases: [fileURLToPath(import.meta.url)] });
  } catch (error) {
    throw new Error(`${path} cannot be used: ${reason(error)}`, { cause: error });
  }
}

/** A classifier on its way with a sampler, each image to the class that is asked for, or all of them in turn. */
export async function leadBy(
  classifier: LoadedNoisedClassifier,
  execution: Execution,
  { sampler }: Pick<Way, 'sampler'>,
  {
    count,
    name,
    ...settings
  }: Pick<Settings, 'guidance' | 'class'> & { readonly count: number; readonly name: string },
): Promise<Lead> {
  const { classNames } = classifier;
  const only = settings.class === undefined ? undefined : classesAsked(classNames, settings.class);
  const classes = Array.from(labels(count, { classes: classNames.length, only }).label.data);
  const variance = ({ 'ancestral-lower': 'lower', 'ancestral-upper': 'upper' } as const)[name];
  const chain = name.startsWith('ancestral') && {
    ancestral: { levels: sampler.levels, ...(variance && { variance }) },
  };
  const guidance = await classifierGuidance(execution, classifier, { scale: settings.guidance ?? 1, ...chain });
  return {
    lead: (denoise, { first, n }) => guidance.guide(denoise, classes.slice(first, first + n)),
    dispose: () => guidance.dispose(),
  };
}
