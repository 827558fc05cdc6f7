import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { decodeCheckpoint, findCheckpoint, reason, runFolderOf } from '@ddpm/checkpoint';
import type { Execution } from '@ddpm/execution';
import { loadClassifier } from '@ddpm/models';
import * as tf from '@tensorflow/tfjs-core';
import type { FeatureNetwork } from './feature-network';

/**
 * The features of a classifier that `ddpm-train --task classifier` made.
 * @param path its run folder or checkpoint
 * @param options.name as it is shown; the path by default
 * @throws Error in one line if it cannot be used
 */
export async function classifierFeatures(
  path: string,
  execution: Execution,
  { name = path }: { name?: string } = {},
): Promise<FeatureNetwork> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    (error: unknown) => {
      throw new Error(`${path} cannot be read: ${reason(error)}`, { cause: error });
    },
  );
  const file = isFolder ? (await findCheckpoint(path)).path : path;
  const bytes = await readFile(file);
  let classifier: Awaited<ReturnType<typeof loadClassifier>>;
  try {
    classifier = await loadClassifier(await decodeCheckpoint(bytes), {
      run: isFolder ? path : runFolderOf(path),
      bases: [fileURLToPath(import.meta.url)],
    });
  } catch (error) {
    throw new Error(`${file} cannot be used for features: ${(error as Error).message}`, { cause: error });
  }
  const { network, image, classNames } = classifier;
  const example = tf.zeros([1, ...image]);
  const compiled = await execution.compile(
    (x: tf.Tensor4D) => {
      const features = network.features(x);
      return { features, logits: network.logits(features) };
    },
    [example],
  );
  example.dispose();
  return {
    name,
    hash: createHash('sha256').update(bytes).digest('hex').slice(0, 12),
    classNames,
    fit(images) {
      if (images.shape.join() !== image.join())
        throw new RangeError(
          `the features ${name} are of ${image.join('×')} images, and these are ${images.shape.join('×')}; name others: a classifier of such images, or an ONNX file`,
        );
      return images;
    },
    async run(images, shape) {
      const x = tf.tensor4d(images, [...shape]);
      const { features, logits } = await compiled(x);
      try {
        return { features: await features.data<'float32'>(), logits: await logits.data<'float32'>() };
      } finally {
        tf.dispose([x, features, logits]);
      }
    },
    dispose: () => compiled.dispose(),
  };
}
