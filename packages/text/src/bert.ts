import type { TensorValues } from '@ddpm/layers';
import { disposeParameters, Embedding, LayerNorm, loadTorchTensors, normalInit, paddingMask } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import { PADDING } from './padding';
import type { EncodedText } from './text-transformer';
import { TransformerBlock } from './transformer-block';

/** Sizes of a `Bert`; by default those of all-MiniLM-L6-v2. */
export interface BertOptions {
  /** How many ids there are; 30,522 by default. */
  vocabularySize?: number;
  /** How many positions there are vectors for; 512 by default. */
  positions?: number;
  /** Features of each position; 384 by default. */
  width?: number;
  /** How many blocks; 6 by default. */
  layers?: number;
  /** Heads of each block's attention; 12 by default. */
  heads?: number;
  /** Features between the linear layers of a block; 4·width by default. */
  hidden?: number;
  /** The initial weights are a function of it; 0 by default. */
  seed?: number;
}

const EPS = 1e-12;

/** The encoder of BERT (Devlin et al. 2019) for one sentence: post-norm blocks, padding masked, the mean as its vector (Reimers & Gurevych 2019). */
export class Bert {
  readonly words: Embedding;
  readonly places: Embedding;
  /** Of the first and the second sentence; only the first is used. */
  readonly segments: Embedding;
  readonly norm: LayerNorm;
  readonly blocks: readonly TransformerBlock[];

  constructor({
    vocabularySize = 30_522,
    positions = 512,
    width = 384,
    layers = 6,
    heads = 12,
    hidden,
    seed = 0,
  }: BertOptions = {}) {
    const rng = new Random(seed);
    const embedding = (numEmbeddings: number) =>
      new Embedding({ numEmbeddings, embeddingDim: width, init: normalInit(0.02), rng });
    this.words = embedding(vocabularySize);
    this.places = embedding(positions);
    this.segments = embedding(2);
    this.norm = new LayerNorm({ features: width, eps: EPS });
    const block = () => new TransformerBlock({ width, heads, hidden, postNorm: true, eps: EPS, rng });
    this.blocks = Array.from({ length: layers }, block);
  }

  /**
   * tokens: [n, length] int32 → the last hidden states [n, length, width], and the mean of those that are there.
   * @param present [n, length], 1 for what is there and 0 for padding; by default what is not the id 0
   */
  apply(tokens: tf.Tensor2D, present?: tf.Tensor2D): EncodedText {
    return tf.tidy(() => {
      const there = tf.cast<tf.Tensor2D>(present ?? tf.notEqual(tokens, PADDING), 'float32');
      const [, length] = tokens.shape;
      const width = this.norm.features;
      const places = tf.slice(this.places.weight, [0, 0], [length, width]);
      const segment = tf.slice(this.segments.weight, [0, 0], [1, width]);
      let x = this.norm.apply<tf.Tensor3D>(tf.add(this.words.apply(tokens), tf.add(places, segment)));
      const mask = paddingMask(there);
      for (const block of this.blocks) x = block.apply(x, mask);
      const count = tf.maximum(tf.sum(there, 1, true), 1);
      return { sequence: x, pooled: tf.div<tf.Tensor2D>(tf.sum(tf.mul(x, tf.expandDims(there, 2)), 1), count) };
    });
  }
}

/** Our fields' names in BERT's `state_dict`, in the order in which they are replaced. */
const NAMES: readonly (readonly [ours: RegExp, theirs: string])[] = [
  [/^words/, 'embeddings.word_embeddings'],
  [/^places/, 'embeddings.position_embeddings'],
  [/^segments/, 'embeddings.token_type_embeddings'],
  [/^norm/, 'embeddings.LayerNorm'],
  [/^blocks/, 'encoder.layer'],
  [/\.norm1\./, '.attention.output.LayerNorm.'],
  [/\.norm2\./, '.output.LayerNorm.'],
  [/\.toOut\./, '.output.dense.'],
  [/\.toQ\./, '.self.query.'],
  [/\.toK\./, '.self.key.'],
  [/\.toV\./, '.self.value.'],
  [/\.linear1\./, '.intermediate.dense.'],
  [/\.linear2\./, '.output.dense.'],
];

/**
 * A BERT encoder with the weights of a file of Hugging Face's, such as all-MiniLM-L6-v2's model.safetensors; sizes are
 * those of the tensors.
 * @param tensors float32 by their names there, with or without `bert.` before them; the pooler is not used
 * @param options.heads heads of each block's attention, which no tensor tells
 * @throws Error that names tensors that are missing, unexpected or misshapen.
 */
export function bertFromTensors(tensors: ReadonlyMap<string, TensorValues>, { heads }: { heads: number }): Bert {
  const own = new Map(
    [...tensors]
      .map(([name, tensor]) => [name.replace(/^bert\./, ''), tensor] as const)
      .filter(([name]) => !/^pooler\.|^embeddings\.position_ids$|^cls\./.test(name)),
  );
  const rows = (name: string) => {
    const tensor = own.get(name);
    if (!tensor) throw new Error(`bertFromTensors: ${name} is missing`);
    return tensor.shape;
  };
  const [vocabularySize, width] = rows('embeddings.word_embeddings.weight');
  const bert = new Bert({
    vocabularySize,
    positions: rows('embeddings.position_embeddings.weight')[0],
    width,
    layers: new Set([...own.keys()].flatMap((name) => /^encoder\.layer\.(\d+)\./.exec(name)?.[1] ?? [])).size,
    heads,
    hidden: rows('encoder.layer.0.intermediate.dense.weight')[0],
  });
  try {
    loadTorchTensors(bert, own, (path) => NAMES.reduce((name, [ours, theirs]) => name.replace(ours, theirs), path));
  } catch (error) {
    disposeParameters(bert);
    throw error;
  }
  return bert;
}
