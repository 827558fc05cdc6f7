import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { agree, kebab, UsageError, weightsHash } from '@ddpm/app-common';
import type { Execution } from '@ddpm/execution';
import type { Model } from '@ddpm/models';
import { lowResCondition } from '@ddpm/models';
import type { Batch } from '@ddpm/train';
import { drawImages, withNetwork } from './draw-images';
import { latentsOf } from './latents';
import { loadModel } from './model';
import type { Settings } from './options';
import type { LowRes } from './plan';
import { planFor } from './plan';
import { vectorsOfWords } from './words';

/** How noisy small pictures are made where nobody says, if the model knows as much. */
const AUGMENTATION = 0.1;
/** Options of pictures or several samplers, which are not for the stages of a cascade. */
const ALONE = ['from', 'mask', 'interpolate', 'strength', 'compare', 'classifier', 'clipGuidance'] as const;

/** The settings of a stage that sees small pictures alone: what these show was asked of their model. */
export const withoutWords = (settings: Settings): Settings => ({
  ...settings,
  ...{ class: undefined, guidance: undefined, diffusionPrior: undefined, priorGuidance: undefined },
});

/**
 * The model that draws the small pictures of which a stage of a cascade makes large ones: the one that is named, or that
 * lies in the stage's folder as `base`. Undefined of a model that draws from noise alone.
 * @throws Error in one line if there is none, or its images are of another size
 */
export async function openBase(
  { denoiser, folder }: Model,
  settings: Settings,
  execution: Execution,
): Promise<Model | undefined> {
  const { lowRes, image } = denoiser;
  if (!lowRes) {
    const given = (['base', 'augmentation'] as const).find((name) => settings[name] !== undefined);
    if (given)
      throw new UsageError(`--${given} is for a model that makes large images of small ones, and this one does not`);
    return undefined;
  }
  const alone = ALONE.find((name) => settings[name] !== undefined);
  if (alone) throw new UsageError(`--${kebab(alone)} is not for a model that makes large images of small ones`);
  const path = settings.base ?? join(folder, 'base');
  if (settings.base === undefined && !existsSync(path))
    throw new UsageError(
      `this model makes large images of small ones, of ${lowRes.size.join('×')}: name by --base the model that draws those, or put its run into ${folder} as base`,
    );
  const base = await loadModel(path, { textEncoder: settings.textEncoder }, { execution });
  const expected = [...lowRes.size, image[2]];
  const drawn = base.denoiser.latents?.image ?? base.denoiser.image;
  if (drawn.join() !== expected.join())
    throw new Error(`${path} draws images of ${drawn.join('×')}, and the model takes ${expected.join('×')}`);
  await agree(() => ({ 'the base': weightsHash(base.denoiser.parameters) }));
  return base;
}

/** Draws the small pictures of a stage; where their model is a stage too, those of that come first. */
export async function drawLowRes(
  base: Model,
  { denoiser }: Model,
  settings: Settings,
  captions: readonly string[],
  execution: Execution,
  say: (line: string) => void,
): Promise<LowRes> {
  const { seed, augmentation = Math.min(AUGMENTATION, denoiser.lowRes!.maxAugmentation) } = settings;
  say(`Base: ${base.description}`);
  const its = { ...settings, base: undefined, augmentation: undefined };
  const latents = latentsOf(base, execution);
  const below = await openBase(base, its, execution);
  const low = below && (await drawLowRes(below, base, its, captions, execution, say));
  const plan = low
    ? await planFor(base, { ...withoutWords(its), count: low.count }, [], low)
    : await planFor(base, its, captions, undefined, { latents, ofWords: vectorsOfWords(base, its, execution, say) });
  const options = { trajectory: false, label: 'Small pictures', latents, animated: false };
  const { values } = await withNetwork(base, plan, execution, its, (network, batch) =>
    drawImages(network, plan, plan.way().way, { ...options, batch }),
  ).finally(() => latents?.dispose());
  let condition: Batch;
  try {
    condition = lowResCondition(values, denoiser, { augmentation, seed });
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(`--augmentation: ${error.message}`, { cause: error }) : error;
  }
  const { count, captions: words, record } = plan;
  return {
    ...{ condition, count, record: { model: base.description, ...record, augmentation } },
    ...((words ?? low?.captions) && { captions: words ?? low?.captions }),
  };
}
