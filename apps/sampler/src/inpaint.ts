import { UsageError } from '@ddpm/app-common';
import { fromStrength, kept } from '@ddpm/diffusion';
import type { Denoiser } from '@ddpm/models';
import { knownCondition } from '@ddpm/models';
import type { Batch } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs';
import type { Edit } from './edit';
import { noised } from './edit';
import type { Settings } from './options';
import type { Pictures } from './pictures';

/** A picture as a model takes it that has learned inpainting. */
export interface Inpainting {
  readonly condition: Batch;
  /** The way of what is missing; left out where there is no picture with a mask. */
  readonly edit?: Edit;
}

/**
 * A picture and a mask as a model takes them that has learned inpainting (Nichol et al. 2021, GLIDE, §2.4), or, without
 * them, that nothing is known. Undefined of a model that has not.
 * @throws UsageError if RePaint's jumps are asked for
 */
export async function openInpainting(
  { inpainting, image }: Pick<Denoiser, 'inpainting' | 'image'>,
  { from, mask, interpolate, strength = 1, resample }: Settings,
  count: number,
  { readMasked }: Pictures,
): Promise<Inpainting | undefined> {
  if (!inpainting) return undefined;
  if (resample !== undefined)
    throw new UsageError('--resample is for models that have not learned inpainting, and this one has');
  // What does not go together is refused where pictures are edited.
  if (mask === undefined || from === undefined || interpolate) return { condition: knownCondition({ image }, count) };
  const given = await readMasked(from, mask, image);
  const [h, w] = image;
  const known = { image: tf.tensor4d(given.image, [1, ...image]), mask: tf.tensor4d(given.mask, [1, h, w, 1]) };
  return {
    condition: knownCondition({ image }, count, given),
    edit({ levels, make }) {
      const sampler = make(fromStrength(levels, strength));
      return {
        sampler,
        lead: (denoise) => kept(denoise, known),
        ...(strength < 1 && { begin: ({ noise }) => noised(given.image, image, sampler.levels[0], noise) }),
      };
    },
  };
}
