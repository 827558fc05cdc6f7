import * as tf from '@tensorflow/tfjs-core';
import { checkChannels, checkSizes } from './check';
import { parameter } from './parameter';

/**
 * (x − E[x]) / √(Var[x] + eps) over all axes but the given ones, with biased variance. The gradient,
 * dx = (dy − E[dy] − x̂ E[dy·x̂]) / √(Var[x] + eps), is stated because deriving it step by step costs several more passes over x.
 */
function normalise(x: tf.Tensor, axes: number[], eps: number): tf.Tensor {
  const normaliseWithGradient = tf.customGrad((input, save) => {
    const xIn = input as tf.Tensor;
    const centred = tf.sub(xIn, tf.mean(xIn, axes, true));
    const scale = tf.rsqrt(tf.add(tf.mean(tf.square(centred), axes, true), eps));
    const value = tf.mul(centred, scale);
    (save as tf.GradSaveFunc)([value, scale]);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => {
      const [xHat, invStd] = saved;
      const projection = tf.mul(xHat, tf.mean(tf.mul(dy, xHat), axes, true));
      return tf.mul(tf.sub(tf.sub(dy, tf.mean(dy, axes, true)), projection), invStd);
    };
    return { value, gradFunc };
  });
  return normaliseWithGradient(x);
}

/**
 * Group normalisation (Wu & He 2018): mean 0 and variance 1 over each image's groups of channels, then a scale and shift for each channel.
 * As PyTorch's `GroupNorm`: eps 1e-5, biased variance.
 */
export class GroupNorm {
  /** [channels], initially 1. */
  readonly weight: tf.Variable;
  /** [channels], initially 0. */
  readonly bias: tf.Variable;
  readonly groups: number;
  readonly eps: number;

  /**
   * @param options.eps added to the variance
   * @throws RangeError if the groups do not divide the channels.
   */
  constructor({ groups, channels, eps = 1e-5 }: { groups: number; channels: number; eps?: number }) {
    checkSizes('GroupNorm', { groups, channels });
    if (channels % groups !== 0) {
      throw new RangeError(`GroupNorm: channels (${channels}) must be a multiple of groups (${groups})`);
    }
    this.weight = parameter(new Float32Array(channels).fill(1), [channels]);
    this.bias = parameter(new Float32Array(channels), [channels]);
    this.groups = groups;
    this.eps = eps;
  }

  /**
   * x: [n, h, w, channels] → [n, h, w, channels].
   * @throws RangeError if x has other channels.
   */
  apply(x: tf.Tensor4D): tf.Tensor4D {
    const channels = this.weight.shape[0];
    checkChannels('GroupNorm', x, 4, channels);
    const [n, h, w] = x.shape;
    return tf.tidy(() => {
      const grouped = tf.reshape(x, [n, h * w, this.groups, channels / this.groups]);
      const normalised = tf.reshape(normalise(grouped, [1, 3], this.eps), x.shape);
      return tf.add(tf.mul(normalised, this.weight), this.bias);
    });
  }
}
