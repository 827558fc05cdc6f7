import { fileURLToPath } from 'node:url';
import { UsageError } from '@ddpm/app-common';
import type { Execution } from '@ddpm/execution';
import type { ChosenSampler, ClassifierGuidance, Denoiser, DrawOptions, LoadedNoisedClassifier } from '@ddpm/models';
import { classifierGuidance, labels, openNoisedClassifier } from '@ddpm/models';
import type { Way } from './edit';
import type { Settings } from './options';
import { classesAsked } from './plan';

/** A classifier's guidance of images to their classes, or CLIP's to their captions. */
export interface Lead extends Pick<ClassifierGuidance, 'dispose'> {
  readonly lead: NonNullable<DrawOptions['lead']>;
  /** Its entries in `samples.json`. */
  readonly record: Readonly<Record<string, unknown>>;
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
  return openNoisedClassifier(classifier, denoiser, { bases: [fileURLToPath(import.meta.url)] });
}

/** A classifier on its way with a sampler, each image to the class that is asked for, or all of them in turn. */
export async function leadBy(
  classifier: LoadedNoisedClassifier,
  execution: Execution,
  { sampler }: Pick<Way, 'sampler'>,
  {
    count,
    chain,
    ...settings
  }: Pick<Settings, 'guidance' | 'class'> & Pick<ChosenSampler, 'chain'> & { readonly count: number },
): Promise<Lead> {
  const { classNames } = classifier;
  const only = settings.class === undefined ? undefined : classesAsked(classNames, settings.class);
  const classes = Array.from(labels(count, { classes: classNames.length, only }).label.data);
  const scale = settings.guidance ?? 1;
  const guidance = await classifierGuidance(execution, classifier, {
    scale,
    ...(chain && { ancestral: { ...chain, levels: sampler.levels } }),
  });
  return {
    lead: (denoise, { first, n }) => guidance.guide(denoise, classes.slice(first, first + n)),
    record: { guidance: scale, class: settings.class },
    dispose: () => guidance.dispose(),
  };
}
