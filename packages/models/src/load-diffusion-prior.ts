import type { Checkpoint, JsonObject, LoadNetworkOptions } from '@ddpm/checkpoint';
import { loadNetwork } from '@ddpm/checkpoint';
import type { Network } from '@ddpm/diffusion';
import { loadParameters, namedParameters } from '@ddpm/layers';
import type { Variables } from '@ddpm/train';
import { z } from 'zod';
import type { KnownLevels } from './levels';
import type { LoadedClip } from './load-clip';
import { heldClip } from './load-clip';
import type { CaptionMeaning } from './meaning';
import { levelsFromJson, levelsSchema, levelsToJson } from './meaning';

const size = z.int().positive();
const schema = z.strictObject({
  task: z.literal('diffusion prior', { error: 'expected diffusion prior, of --task prior' }),
  features: size,
  image: z.tuple([size, size, size]),
  captions: z.strictObject({
    ...{ length: size, tokenizer: z.record(z.string(), z.json()) },
    dropout: z.number().min(0).max(1),
  }),
  levels: levelsSchema,
});

/** Vectors, captions and levels of a diffusion prior. */
export interface DiffusionPriorMeaning {
  /** Features of a vector. */
  readonly features: number;
  /** The shape of the images whose vectors they are. */
  readonly image: readonly [h: number, w: number, c: number];
  /** How captions become CLIP's tokens, which are its own too, and how often training left them out. */
  readonly captions: CaptionMeaning;
  /** The levels that it knows. */
  readonly levels: KnownLevels;
}

/** A diffusion prior and its CLIP, ready to use. */
export interface LoadedDiffusionPrior extends DiffusionPriorMeaning {
  /** With its weights: a denoiser of vectors [n, 1, 1, features] that says x_0. */
  readonly network: Network;
  /** Its variables by name, as in the checkpoint: `prior.…`. */
  readonly parameters: Variables;
  /** The CLIP whose vectors it makes. */
  readonly clip: LoadedClip;
}

/** A diffusion prior's meaning as a checkpoint holds it. */
export const diffusionPriorMeaningToJson = ({
  features,
  image,
  captions: { length, tokenizer, dropout },
  levels,
}: DiffusionPriorMeaning): JsonObject => ({
  task: 'diffusion prior',
  features,
  image: [...image],
  captions: { length, tokenizer, dropout },
  levels: levelsToJson(levels),
});

/**
 * The diffusion prior that a checkpoint of `ddpm-train --task prior` holds, and the CLIP beside it.
 * @param options where their networks are looked up
 * @throws Error in one line that says what of the checkpoint is not as expected
 */
export async function loadDiffusionPrior(
  checkpoint: Pick<Checkpoint, 'networks' | 'meaning' | 'weights'>,
  options: LoadNetworkOptions = {},
): Promise<LoadedDiffusionPrior> {
  const { networks, meaning, weights } = checkpoint;
  const result = schema.safeParse(meaning);
  if (!result.success) {
    const [{ path, message }] = result.error.issues;
    throw new Error(
      `its ${['meaning', ...path].join('.')} is not a diffusion prior's: ${message.replace(/\s+/g, ' ').slice(0, 300)}`,
    );
  }
  if (!Object.hasOwn(networks, 'prior'))
    throw new Error(`it has no prior, but only ${Object.keys(networks).join(', ') || 'no network'}`);
  const network = await loadNetwork<Network>(networks.prior, options);
  loadParameters({ prior: network }, new Map([...weights].filter(([name]) => !name.startsWith('clip.'))));
  const { levels, captions, ...known } = result.data;
  return {
    ...{ ...known, captions: captions, levels: levelsFromJson(levels), network },
    ...{ parameters: namedParameters({ prior: network }), clip: await heldClip(checkpoint, options) },
  };
}
