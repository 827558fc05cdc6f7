import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UsageError } from '@ddpm/app-common';
import type { Execution } from '@ddpm/execution';
import { openCaptionVectors } from '@ddpm/models';
import type { Drawing } from './draw-images';
import { prepareDrawing } from './draw-images';
import type { Settings } from './options';
import type { Subject } from './subject';

/** The name of a prior that is none. */
const NONE = 'none';

type Model = Subject & { readonly kind: 'model' };

/**
 * Prepares a model to draw, as `prepareDrawing` does, and a decoder of CLIP's vectors to draw captions.
 * @throws Error in one line if what is asked does not fit it
 */
export async function prepareModel(model: Model, execution: Execution, settings: Settings): Promise<Drawing> {
  if (model.denoiser.clip) return prepareDecoder(model, execution, settings);
  if (settings.diffusionPrior !== undefined)
    throw new UsageError(`--diffusion-prior is for a decoder of CLIP's vectors, and ${model.name} is none`);
  return prepareDrawing(model.denoiser, execution, settings);
}

/**
 * Prepares a decoder of CLIP's vectors to draw captions, by the diffusion prior that is named, or that lies in its folder as
 * `prior`, or by CLIP's own vectors of them.
 * @throws UsageError or Error in one line if there is no prior, or it does not fit
 */
async function prepareDecoder(
  { denoiser, name, run = '.' }: Model,
  execution: Execution,
  settings: Settings,
): Promise<Drawing> {
  const { seed, diffusionPrior = join(run, 'prior') } = settings;
  if (settings.diffusionPrior === undefined && !existsSync(diffusionPrior))
    throw new UsageError(
      `${name} draws words by a diffusion prior: name its run by --diffusion-prior, or put it into ${run} as prior; --diffusion-prior ${NONE} does without`,
    );
  const path = diffusionPrior === NONE ? undefined : diffusionPrior;
  const makes = await openCaptionVectors(execution, denoiser, { path, bases: [fileURLToPath(import.meta.url)] });
  const own = await prepareDrawing(denoiser, execution, settings);
  return {
    ...own,
    how: { ...own.how!, vectors: makes.description },
    async draw(wanted, onProgress) {
      const { captions = [], count } = wanted;
      const data = await makes.vectors(captions, { count, seed });
      return own.draw(wanted, onProgress, { imageEmbedding: { data, item: [denoiser.clip!.features] } });
    },
    async dispose() {
      await Promise.all([own.dispose(), makes.dispose()]);
    },
  };
}
