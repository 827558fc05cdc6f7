import type { Batch, Task, Variables } from '@ddpm/train';
import { count } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs-core';
import type { Clip } from './clip';

/** CLIP, whose vectors a task is to work on, and its variables by name. */
export interface FrozenClip {
  readonly clip: Pick<Clip, 'encodeImage' | 'encodeText'>;
  /** They are not trained. */
  readonly parameters: Variables;
  /** Features of its vectors. */
  readonly features: number;
}

/** CLIP's vectors as "images" [n, 1, 1, features]: of length √features, so that a value is about 1 in size. */
export function embeddingImages(vectors: tf.Tensor2D): tf.Tensor4D {
  const [, features] = vectors.shape;
  return tf.tidy(() => tf.reshape(tf.mul(vectors, Math.sqrt(features)), [-1, 1, 1, features]));
}

/**
 * A task of a diffusion prior on examples with the fields `image` and `tokens`: its images are CLIP's vectors of them, and
 * its condition `textEmbedding` CLIP's vectors of the captions (Ramesh et al. 2022, §2.2).
 * @param task such as `denoising` of a `DiffusionPrior`, whose parameterisation is `image`
 */
export function withImageEmbeddings(task: Task, { clip, parameters, features }: FrozenClip): Task {
  return {
    ...task,
    frozen: new Map([...(task.frozen ?? []), ...parameters]),
    draw(examples, rng): Batch {
      const { image, tokens } = examples;
      if (!image || !tokens)
        throw new RangeError('withImageEmbeddings: expected examples with the fields image and tokens');
      const n = tokens.data.length / tokens.item[0];
      const nothing = (item: readonly number[]) => ({ data: new Float32Array(n * features), item });
      const drawn = task.draw(
        { ...examples, image: nothing([1, 1, features]), textEmbedding: nothing([features]) },
        rng,
      );
      const { image: _, textEmbedding: __, ...others } = drawn;
      return { ...others, picture: image };
    },
    loss: ({ picture, ...inputs }) =>
      task.loss({
        ...inputs,
        image: embeddingImages(clip.encodeImage(picture as tf.Tensor4D)),
        textEmbedding: clip.encodeText(inputs.tokens as tf.Tensor2D),
      }),
  };
}

/**
 * A task of a decoder on examples with the field `image`: its condition `imageEmbedding` is CLIP's vector of each image, of
 * length √features, or now and then zeros, so that it can be guided (Ramesh et al. 2022, §2.1). A draw for each example
 * comes after all of the task's own.
 * @param task such as `denoising` of a decoder
 * @param options.probability how often there are zeros; 0.1 by default
 * @throws RangeError unless probability is from 0 to 1
 */
export function withClipVectors(
  task: Task,
  { clip, parameters, features }: FrozenClip,
  { probability = 0.1 }: { probability?: number } = {},
): Task {
  if (!(probability >= 0 && probability <= 1))
    throw new RangeError(`withClipVectors: probability must be from 0 to 1, got ${probability}`);
  return {
    ...task,
    frozen: new Map([...(task.frozen ?? []), ...parameters]),
    draw(examples, rng): Batch {
      const n = count(examples);
      const imageEmbedding = { data: new Float32Array(n * features), item: [features] };
      const { imageEmbedding: _, ...drawn } = task.draw({ ...examples, imageEmbedding }, rng);
      const told = Float32Array.from({ length: n }, () => (rng.uniform() < probability ? 0 : 1));
      return { ...drawn, told: { data: told, item: [] } };
    },
    loss: ({ told, ...inputs }) => {
      const vectors = tf.mul(clip.encodeImage(inputs.image as tf.Tensor4D), Math.sqrt(features));
      return task.loss({ ...inputs, imageEmbedding: tf.mul(vectors, tf.expandDims(told, 1)) });
    },
  };
}
