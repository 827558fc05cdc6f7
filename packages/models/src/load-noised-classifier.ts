import type { Checkpoint, JsonObject, LoadNetworkOptions } from '@ddpm/checkpoint';
import { loadNetwork } from '@ddpm/checkpoint';
import type { Classifier } from '@ddpm/diffusion';
import { loadParameters, namedParameters } from '@ddpm/layers';
import type { Variables } from '@ddpm/train';
import { z } from 'zod';
import type { KnownLevels } from './levels';
import { levelsFromJson, levelsSchema, levelsToJson } from './meaning';

const size = z.int().positive();
const schema = z.strictObject({
  task: z.literal('noised classification', { error: 'expected noised classification, of --task classifier --noised' }),
  image: z.tuple([size, size, size]),
  classNames: z.array(z.string()).min(2),
  levels: levelsSchema,
});

/** The images, classes and levels of a classifier of noisy images. */
export interface NoisedClassifierMeaning {
  /** The shape of its images. */
  readonly image: readonly [h: number, w: number, c: number];
  /** Names of the classes that its logits count. */
  readonly classNames: readonly string[];
  /** The levels that it knows. */
  readonly levels: KnownLevels;
}

/** A classifier of noisy images, ready to guide. */
export interface LoadedNoisedClassifier extends NoisedClassifierMeaning {
  /** With its weights. */
  readonly network: Classifier;
  /** Its variables by name, as in the checkpoint: `classifier.…`. */
  readonly parameters: Variables;
}

/** The meaning of a classifier of noisy images as a checkpoint holds it. */
export const noisedClassifierMeaningToJson = ({ image, classNames, levels }: NoisedClassifierMeaning): JsonObject => ({
  task: 'noised classification',
  image: [...image],
  classNames: [...classNames],
  levels: levelsToJson(levels),
});

/**
 * The classifier of noisy images that a checkpoint holds.
 * @param options where its network is looked up
 * @throws Error in one line that says what of the checkpoint is not as expected
 */
export async function loadNoisedClassifier(
  { networks, meaning, weights }: Checkpoint,
  options: LoadNetworkOptions = {},
): Promise<LoadedNoisedClassifier> {
  const result = schema.safeParse(meaning);
  if (!result.success) {
    const [{ path, message }] = result.error.issues;
    throw new Error(
      `its ${['meaning', ...path].join('.')} is not that of a classifier of noisy images: ${message.replace(/\s+/g, ' ').slice(0, 300)}`,
    );
  }
  if (!Object.hasOwn(networks, 'classifier'))
    throw new Error(`it has no classifier, but only ${Object.keys(networks).join(', ') || 'no network'}`);
  const network = await loadNetwork<Classifier>(networks.classifier, options);
  loadParameters({ classifier: network }, weights);
  const { levels, ...known } = result.data;
  return { ...known, levels: levelsFromJson(levels), network, parameters: namedParameters({ classifier: network }) };
}
