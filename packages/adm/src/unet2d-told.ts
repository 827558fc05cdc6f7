import { Embedding, sinusoidalEmbedding } from '@ddpm/layers';
import * as tf from '@tensorflow/tfjs-core';
import type { Initial } from './blocks';
import { EmbeddingMlp } from './embedding';
import type { Activation } from './res-block';
import type { Condition, Told } from './unet';
import type { Options } from './unet2d-config';

/** The frequencies of a Fourier embedding, which are drawn once and never learned (Tancik et al. 2020). */
class FourierFrequencies {
  /** [dim]. */
  readonly weight: tf.Variable;

  constructor({ dim, init, rng }: { dim: number } & Initial) {
    const values = init ? init(rng, dim, { fanIn: dim, fanOut: dim }) : rng.normals(dim).map((z) => 16 * z);
    this.weight = tf.tidy(() => tf.variable(tf.tensor(values, [dim])));
  }

  /** t: [n], above 0 → sines and cosines of 2π f ln t, [n, 2·dim]. */
  apply(t: tf.Tensor1D): tf.Tensor2D {
    const fixed = tf.customGrad((weight) => ({
      value: tf.clone(weight as tf.Tensor),
      gradFunc: (dy: tf.Tensor) => tf.zerosLike(dy),
    }));
    const angles = tf.mul(tf.expandDims(tf.log(t), 1), tf.mul(fixed(this.weight), 2 * Math.PI));
    return tf.concat([tf.sin(angles), tf.cos(angles)], 1) as tf.Tensor2D;
  }
}

/** The options of a config that say what the blocks are told. */
export interface ToldConfig {
  readonly block_out_channels: readonly number[];
  readonly freq_shift: number;
  readonly flip_sin_to_cos: boolean;
  readonly time_embedding_type: string;
  readonly num_train_timesteps: number | null;
  readonly class_embed_type: string | null;
  readonly num_class_embeds: number | null;
}

/** The embedding that diffusers' U-Nets tell their blocks. */
export class Unet2dEmbedding implements Told {
  /** Where t is not told by sinusoids: a learned vector for each, or Fourier frequencies. */
  readonly timeProj?: Embedding | FourierFrequencies;
  readonly time: EmbeddingMlp;
  /** Where there are classes, and their embedding is learned. */
  readonly label?: Embedding | EmbeddingMlp;
  readonly conditions: readonly string[];
  private readonly sinusoids: { dim: number; endpoint: boolean; cosFirst: boolean };

  /** @param options.activation between the linear layers of its parts; SiLU by default */
  constructor(
    options: Options,
    config: ToldConfig,
    { embDim, activation, ...initial }: { embDim: number; activation?: Activation } & Initial,
  ) {
    const [dim] = config.block_out_channels;
    const { freq_shift: shift, class_embed_type: classes } = config;
    if (shift !== 0 && shift !== 1) options.refuse('freq_shift', shift, '0 and 1');
    this.sinusoids = { dim, endpoint: shift === 1, cosFirst: config.flip_sin_to_cos };
    const kind = options.oneOf('time_embedding_type', config.time_embedding_type, ['positional', 'fourier', 'learned']);
    if (kind === 'positional' && dim % 2 !== 0)
      options.refuse('block_out_channels[0]', dim, 'an even one, for the sinusoids');
    if (kind === 'fourier') this.timeProj = new FourierFrequencies({ dim, ...initial });
    if (kind === 'learned') {
      if (config.num_train_timesteps === null)
        throw new RangeError(`${options.who}: time_embedding_type "learned" needs num_train_timesteps`);
      this.timeProj = new Embedding({ numEmbeddings: config.num_train_timesteps, embeddingDim: dim, ...initial });
    }
    const inFeatures = kind === 'fourier' ? 2 * dim : dim;
    this.time = new EmbeddingMlp({ inFeatures, embDim, activation, ...initial });
    if (classes !== null) options.oneOf('class_embed_type', classes, ['timestep', 'identity']);
    if (classes === null && config.num_class_embeds !== null)
      this.label = new Embedding({ numEmbeddings: config.num_class_embeds, embeddingDim: embDim, ...initial });
    if (classes === 'timestep') this.label = new EmbeddingMlp({ inFeatures, embDim, activation, ...initial });
    this.conditions = this.label || classes === 'identity' ? ['label'] : [];
  }

  apply(t: tf.Tensor1D, { label }: Condition): tf.Tensor2D {
    const time = this.time.apply(this.project(t));
    if (label === undefined) return time;
    if (this.label instanceof Embedding) return tf.add(time, this.label.apply(label as tf.Tensor1D));
    const told = this.label ? this.label.apply(this.project(label as tf.Tensor1D)) : (label as tf.Tensor2D);
    return tf.add(time, told);
  }

  private project(t: tf.Tensor1D): tf.Tensor2D {
    if (this.timeProj instanceof Embedding) return this.timeProj.apply(tf.cast(t, 'int32'));
    if (this.timeProj) return this.timeProj.apply(tf.cast(t, 'float32'));
    return sinusoidalEmbedding(t, this.sinusoids);
  }
}
