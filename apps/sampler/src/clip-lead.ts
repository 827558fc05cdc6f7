import { fileURLToPath } from 'node:url';
import { UsageError } from '@ddpm/app-common';
import type { Execution } from '@ddpm/execution';
import type { ChosenSampler, Denoiser, LoadedClip } from '@ddpm/models';
import { clipGuidance, openNoisedClip } from '@ddpm/models';
import type { Way } from './edit';
import type { Lead } from './lead';
import type { Settings } from './options';
import type { Plan } from './plan';

/** How much CLIP counts where nobody says. */
const SCALE = 1;

/**
 * The CLIP of noisy images that a run or a checkpoint holds, where one is asked for.
 * @throws Error in one line if it does not fit the model
 */
export async function openClipLead(
  { denoiser }: { denoiser: Denoiser },
  { clipGuidance: path, clipScale, compare, classifier }: Settings,
): Promise<LoadedClip | undefined> {
  if (path === undefined) {
    if (clipScale !== undefined) throw new UsageError('--clip-scale is for --clip-guidance');
    return undefined;
  }
  if (compare) throw new UsageError('--clip-guidance and --compare exclude each other');
  if (classifier !== undefined) throw new UsageError('--clip-guidance and --classifier exclude each other');
  const words = denoiser.network.conditions?.some((name) => name === 'tokens' || name === 'text');
  if (!words || denoiser.latents)
    throw new UsageError('--clip-guidance leads a model that draws images from words, and this one does not');
  return openNoisedClip(path, denoiser, { bases: [fileURLToPath(import.meta.url)] });
}

/** CLIP on its way with a sampler, each image to its caption. */
export async function leadByClip(
  clip: LoadedClip,
  execution: Execution,
  { sampler }: Pick<Way, 'sampler'>,
  {
    captions,
    chain,
    clipScale = SCALE,
  }: Pick<Plan, 'captions'> & Pick<Settings, 'clipScale'> & Pick<ChosenSampler, 'chain'>,
): Promise<Lead> {
  const guidance = await clipGuidance(execution, clip, {
    scale: clipScale,
    ...(chain && { ancestral: { ...chain, levels: sampler.levels } }),
  });
  return {
    lead: (denoise, { first, n }) => guidance.guide(denoise, captions!.slice(first, first + n)),
    record: { clipScale },
    dispose: () => guidance.dispose(),
  };
}
