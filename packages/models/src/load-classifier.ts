import type { Checkpoint, JsonObject, LoadNetworkOptions } from '@ddpm/checkpoint';
import { loadNetwork } from '@ddpm/checkpoint';
import { loadParameters, namedParameters } from '@ddpm/layers';
import type { Variables } from '@ddpm/train';
import type * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';

/** A network that tells classes of images apart, such as `@ddpm/classifier`. */
export interface ClassifierNetwork {
  /** Images x [n, h, w, c] in [−1, 1] → what it sees in them, [n, width]. */
  features(x: tf.Tensor4D): tf.Tensor2D;
  /** Features [n, width] → logits [n, classes]. */
  logits(features: tf.Tensor2D): tf.Tensor2D;
  /** Images x [n, h, w, c] in [−1, 1] → logits [n, classes]. */
  apply(x: tf.Tensor4D): tf.Tensor2D;
}

const size = z.int().positive();
const schema = z.strictObject({
  task: z.literal('classification', { error: 'expected classification' }),
  image: z.tuple([size, size, size]),
  classNames: z.array(z.string()).min(2),
});

/** A classifier's images and classes. */
export interface ClassifierMeaning {
  /** The shape of its images. */
  readonly image: readonly [h: number, w: number, c: number];
  /** Names of the classes that its logits count. */
  readonly classNames: readonly string[];
}

/** A classifier, ready to use. */
export interface LoadedClassifier extends ClassifierMeaning {
  /** With its weights. */
  readonly network: ClassifierNetwork;
  /** Its variables by name, as in the checkpoint: `classifier.output.weight`. */
  readonly parameters: Variables;
}

/** A classifier's meaning as a checkpoint holds it. */
export const classifierMeaningToJson = ({ image, classNames }: ClassifierMeaning): JsonObject => ({
  task: 'classification',
  image: [...image],
  classNames: [...classNames],
});

/**
 * The classifier that a checkpoint holds.
 * @param options where its network is looked up
 * @throws Error in one line that says what of the checkpoint is not as expected
 */
export async function loadClassifier(
  { networks, meaning, weights }: Checkpoint,
  options: LoadNetworkOptions = {},
): Promise<LoadedClassifier> {
  const result = schema.safeParse(meaning);
  if (!result.success) {
    const [{ path, message }] = result.error.issues;
    throw new Error(
      `its ${['meaning', ...path].join('.')} is not a classifier's: ${message.replace(/\s+/g, ' ').slice(0, 300)}`,
    );
  }
  if (!Object.hasOwn(networks, 'classifier'))
    throw new Error(`it has no classifier, but only ${Object.keys(networks).join(', ') || 'no network'}`);
  const network = await loadNetwork<ClassifierNetwork>(networks.classifier, options);
  for (const method of ['features', 'logits'] as const)
    if (typeof network[method] !== 'function')
      throw new Error(`its network ${networks.classifier.name} has no function ${method}`);
  loadParameters({ classifier: network }, weights);
  return { ...result.data, network, parameters: namedParameters({ classifier: network }) };
}
