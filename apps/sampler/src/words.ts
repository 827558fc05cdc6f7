import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UsageError } from '@ddpm/app-common';
import type { JsonObject } from '@ddpm/checkpoint';
import type { Execution } from '@ddpm/execution';
import type { Model } from '@ddpm/models';
import { openCaptionVectors } from '@ddpm/models';
import type { Settings } from './options';

/** The name of a prior that is none. */
const NONE = 'none';

/** Makes a decoder's vectors of captions, so many in turn, and what `samples.json` says of them. */
export type VectorsOfWords = (
  captions: readonly string[],
  count: number,
) => Promise<{ readonly data: Float32Array; readonly record: JsonObject }>;

/**
 * Words to CLIP's vectors for a decoder (Ramesh et al. 2022): by the diffusion prior that is named, or that lies in its
 * folder as `prior`, or by CLIP alone.
 * @param say told what makes them
 * @throws UsageError or Error in one line, when it is asked, if there is no prior, or it does not fit
 */
export const vectorsOfWords =
  (
    { denoiser, folder }: Model,
    settings: Settings,
    execution: Execution,
    say: (line: string) => void,
  ): VectorsOfWords =>
  async (captions, count) => {
    const { seed, priorGuidance: guidance, diffusionPrior = join(folder, 'prior') } = settings;
    if (settings.diffusionPrior === undefined && !existsSync(diffusionPrior))
      throw new UsageError(
        `this model draws words by a diffusion prior: name its run by --diffusion-prior, or put it into ${folder} as prior; --diffusion-prior ${NONE} does without`,
      );
    const path = diffusionPrior === NONE ? undefined : diffusionPrior;
    const bases = [fileURLToPath(import.meta.url)];
    const { description, guidable, ...makes } = await openCaptionVectors(execution, denoiser, { path, bases });
    try {
      if (guidance !== undefined && !guidable)
        throw new UsageError(
          '--prior-guidance needs a prior that was trained to do without captions (--caption-dropout)',
        );
      say(`Prior: ${description}`);
      const data = await makes.vectors(captions, { count, seed, guidance });
      return {
        data,
        record: { diffusionPrior: description, ...(guidance !== undefined && { priorGuidance: guidance }) },
      };
    } finally {
      await makes.dispose();
    }
  };
