import { image as saysImage } from '@ddpm/diffusion';
import type { Execution } from '@ddpm/execution';
import { Random } from '@ddpm/random';
import { nearestToText } from '@ddpm/text';
import type { Batch } from '@ddpm/train';
import { tensors } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs-core';
import { captionTokens } from './captions';
import { compileNetwork } from './compile-network';
import type { Guidance } from './draw';
import { draw } from './draw';
import type { LoadedClip } from './load-clip';
import type { LoadedDiffusionPrior } from './load-diffusion-prior';
import { samplerFor } from './samplers';

/** Vectors that are drawn together. */
const BATCH = 256;

/** Which vectors to draw. */
export interface VectorsWanted {
  /** How many; captions are taken in turn. One for each caption by default. */
  readonly count?: number;
  /** Vector i follows from its caption, this and i alone. */
  readonly seed: number;
  /** How much captions count: 1, by default, is the prior as it is. */
  readonly guidance?: number;
  /** Of so many the one that is nearest to the caption; 2 by default (Ramesh et al. 2022, §2.2). */
  readonly candidates?: number;
}

/** Makes CLIP's vectors of captions, for a decoder. */
export interface CaptionVectors {
  /** Vectors of length √features, one after the other. */
  vectors(captions: readonly string[], wanted: VectorsWanted): Promise<Float32Array>;
  /** Frees what runs it. */
  dispose(): Promise<void>;
}

/**
 * A diffusion prior as what makes vectors of images that captions describe, executed: compiled, or eagerly. It works with
 * the values that the prior's parameters have when it is asked.
 */
export async function compileDiffusionPrior(
  execution: Execution,
  { network, parameters, features, captions: meaning, levels, clip }: LoadedDiffusionPrior,
): Promise<CaptionVectors> {
  const { length } = meaning;
  const shape = [1, 1, features] as const;
  const encoder = await compileText(execution, clip);
  const example = {
    tokens: { data: new Int32Array(length), item: [length] },
    textEmbedding: { data: new Float32Array(features), item: [features] },
  };
  const compiled = await compileNetwork(execution, network, { parameters, image: shape, condition: example });
  return {
    async vectors(captions, { count = captions.length, seed, guidance: scale = 1, candidates = 2 }) {
      const [condition, none] = await Promise.all([
        encoder.condition(captions, count),
        scale === 1 ? undefined : encoder.condition([''], 1),
      ]);
      const guidance: Guidance | undefined = none && { scale, none };
      const drawn: tf.Tensor2D[] = [];
      try {
        for (let k = 0; k < candidates; k++) {
          const values = await draw({
            ...{ network: compiled, parameterisation: saysImage, sampler: samplerFor({}, levels), clip: false },
            ...{ image: shape, count, seed, condition, guidance, batch: BATCH },
            stream: (number) => new Random([seed, 'vector', number, k]),
          });
          drawn.push(tf.tensor2d(values, [count, features]));
        }
        return tf.tidy(() => {
          const text = tf.tensor2d(condition.textEmbedding.data as Float32Array, [count, features]);
          return scaled(nearestToText(drawn, text)).dataSync<'float32'>();
        });
      } finally {
        tf.dispose(drawn);
      }
    },
    async dispose() {
      await Promise.all([encoder.dispose(), compiled.dispose()]);
    },
  };
}

/** CLIP's vectors of the captions themselves, which a decoder may be given in place of a prior's, to compare. */
export async function compileTextVectors(execution: Execution, clip: LoadedClip): Promise<CaptionVectors> {
  const encoder = await compileText(execution, clip);
  return {
    async vectors(captions, { count = captions.length }) {
      const { textEmbedding } = await encoder.condition(captions, count);
      return tf.tidy(() =>
        scaled(tf.tensor2d(textEmbedding.data as Float32Array, [count, textEmbedding.item[0]])).dataSync<'float32'>(),
      );
    },
    dispose: () => encoder.dispose(),
  };
}

/** CLIP's encoder of captions, which gives a prior's conditions. */
export async function compileText(execution: Execution, { clip, captions: meaning, parameters }: LoadedClip) {
  const example = tf.zeros([1, meaning.length], 'int32');
  const encode = await execution
    .compile((tokens: tf.Tensor2D) => clip.encodeText(tokens), [example], { parameters })
    .finally(() => example.dispose());
  return {
    /** Tokens and vectors, of length 1, of so many captions in turn. */
    async condition(captions: readonly string[], count: number): Promise<Batch> {
      // Each is encoded once.
      const { tokens } = tensors(captionTokens(meaning, captions, Math.min(count, captions.length)));
      const encoded = await encode(tokens as tf.Tensor2D);
      const rows = await encoded.data<'float32'>();
      const [n, features] = encoded.shape;
      tf.dispose([tokens, encoded]);
      const data = new Float32Array(count * features);
      for (let i = 0; i < count; i++)
        data.set(rows.subarray((i % n) * features, ((i % n) + 1) * features), i * features);
      return { ...captionTokens(meaning, captions, count), textEmbedding: { data, item: [features] } };
    },
    dispose: () => encode.dispose(),
  };
}

/** Rows of length √features, as decoders are trained with. */
const scaled = (vectors: tf.Tensor2D): tf.Tensor2D =>
  tf.mul(tf.div(vectors, tf.norm(vectors, 2, 1, true)), Math.sqrt(vectors.shape[1]));
