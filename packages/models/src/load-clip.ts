import type { Checkpoint, JsonObject, LoadNetworkOptions } from '@ddpm/checkpoint';
import { loadNetwork } from '@ddpm/checkpoint';
import { loadParameters, namedParameters } from '@ddpm/layers';
import type { Clip } from '@ddpm/text';
import type { Variables } from '@ddpm/train';
import { z } from 'zod';
import type { KnownLevels } from './levels';
import type { CaptionMeaning } from './meaning';
import { levelsFromJson, levelsSchema, levelsToJson } from './meaning';

const size = z.int().positive();
const shared = {
  image: z.tuple([size, size, size]),
  captions: z.strictObject({ length: size, tokenizer: z.record(z.string(), z.json()) }),
};
const schema = z.strictObject({
  task: z.literal('contrastive', { error: 'expected contrastive' }),
  ...shared,
  levels: levelsSchema.optional(),
});

/** The images and captions that a CLIP compares. */
export interface ClipMeaning {
  /** The shape of its images. */
  readonly image: readonly [h: number, w: number, c: number];
  /** How captions become tokens. */
  readonly captions: Pick<CaptionMeaning, 'length' | 'tokenizer'>;
  /** Of a CLIP of noisy images, which is told their levels: those that it knows. */
  readonly levels?: KnownLevels;
}

/** A CLIP, ready to use. */
export interface LoadedClip extends ClipMeaning {
  /** With its weights. */
  readonly clip: Clip;
  /** Its variables by name, as in the checkpoint: `clip.text.finalNorm.weight`. */
  readonly parameters: Variables;
}

/** A CLIP's meaning as a checkpoint holds it. */
export const clipMeaningToJson = ({ image, captions: { length, tokenizer }, levels }: ClipMeaning): JsonObject => ({
  task: 'contrastive',
  image: [...image],
  captions: { length, tokenizer },
  ...(levels && { levels: levelsToJson(levels) }),
});

/**
 * The CLIP that a checkpoint of `ddpm-train --task clip` holds.
 * @param options where its network is looked up
 * @throws Error in one line that says what of the checkpoint is not as expected
 */
export async function loadClip(checkpoint: Checkpoint, options: LoadNetworkOptions = {}): Promise<LoadedClip> {
  const result = schema.safeParse(checkpoint.meaning);
  if (!result.success) {
    const [{ path, message }] = result.error.issues;
    throw new Error(
      `its ${['meaning', ...path].join('.')} is not a CLIP's: ${message.replace(/\s+/g, ' ').slice(0, 300)}`,
    );
  }
  const { image, captions, levels } = result.data;
  const known = { image, captions: captions as ClipMeaning['captions'] };
  return clipWith(checkpoint, { ...known, ...(levels && { levels: levelsFromJson(levels) }) }, options);
}

/**
 * The CLIP that a checkpoint of a prior or a decoder holds beside it.
 * @param options where its network is looked up
 * @throws Error in one line that says what of the checkpoint is not as expected
 */
export function heldClip(
  { networks, meaning, weights }: Pick<Checkpoint, 'networks' | 'meaning' | 'weights'>,
  options: LoadNetworkOptions = {},
): Promise<LoadedClip> {
  // A decoder's own images are its meaning, and what it says of CLIP stands apart.
  const { image, captions } = (meaning.clip ?? meaning) as { readonly [name: string]: JsonObject };
  const result = z.object(shared).safeParse({
    image,
    captions: captions && { length: captions.length, tokenizer: captions.tokenizer },
  });
  if (!result.success) throw new Error('its meaning does not say what its CLIP compares');
  return clipWith({ networks, weights: partOf(weights, 'clip.') }, result.data, options);
}

const partOf = (weights: Checkpoint['weights'], prefix: string): Checkpoint['weights'] =>
  new Map([...weights].filter(([name]) => name.startsWith(prefix)));

async function clipWith(
  { networks, weights }: Pick<Checkpoint, 'networks' | 'weights'>,
  meaning: ClipMeaning,
  options: LoadNetworkOptions,
): Promise<LoadedClip> {
  if (!Object.hasOwn(networks, 'clip'))
    throw new Error(`it has no clip, but only ${Object.keys(networks).join(', ') || 'no network'}`);
  const clip = await loadNetwork<Clip>(networks.clip, options);
  for (const method of ['encodeImage', 'encodeText'] as const)
    if (typeof clip[method] !== 'function')
      throw new Error(`its network ${networks.clip.name} has no function ${method}`);
  loadParameters({ clip }, weights);
  return { ...meaning, clip, parameters: namedParameters({ clip }) };
}
