import { Conv2d, Linear, ResnetBlock } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';

/** Options of a `Classifier`; all but `classes` have defaults. */
export interface ClassifierOptions {
  /** How many classes. */
  classes: number;
  /** Channels of the images; 1 by default. */
  channels?: number;
  /** Each level's width, a multiple of 8; a level halves height and width. [32, 64, 128] by default. */
  widths?: readonly number[];
  /** The initial weights are a function of it; 0 by default. */
  seed?: number;
}

/** A convolution that halves height and width, rounded up, and a ResNet block. */
export interface ClassifierLevel {
  /** The convolution, to half of the level's width. */
  readonly down: Conv2d;
  /** The block, to the whole. */
  readonly block: ResnetBlock;
}

/**
 * A small residual network (He et al. 2015) with group norms: levels of a convolution of stride 2 and a block, the mean
 * over all places, a linear layer.
 */
export class Classifier {
  readonly levels: readonly ClassifierLevel[];
  readonly output: Linear;

  /** @throws RangeError unless every size is a whole number of at least 1, and every width a multiple of 8. */
  constructor({ classes, channels = 1, widths = [32, 64, 128], seed = 0 }: ClassifierOptions) {
    if (widths.length === 0) throw new RangeError('Classifier: widths must name at least one level');
    const rng = new Random(seed);
    this.levels = widths.map((width, i) => ({
      down: new Conv2d({
        ...{ inChannels: i === 0 ? channels : widths[i - 1], outChannels: width / 2 },
        ...{ kernelSize: 3, stride: 2, padding: 1, rng },
      }),
      block: new ResnetBlock({ dim: width / 2, dimOut: width, rng }),
    }));
    this.output = new Linear({ inFeatures: widths[widths.length - 1], outFeatures: classes, rng });
  }

  /** How many features an image has: the last level's width. */
  get featureCount(): number {
    return this.output.weight.shape[0];
  }

  /** Images x [n, h, w, channels] in [−1, 1] → what it sees in them, [n, featureCount]. */
  features(x: tf.Tensor4D): tf.Tensor2D {
    return tf.tidy(() => {
      const last = this.levels.reduce((h, { down, block }) => block.apply(down.apply(h)), x);
      return tf.mean<tf.Tensor2D>(last, [1, 2]);
    });
  }

  /** Features [n, featureCount] → logits [n, classes]. */
  logits(features: tf.Tensor2D): tf.Tensor2D {
    return this.output.apply(features);
  }

  /** Images x [n, h, w, channels] in [−1, 1] → logits [n, classes]. */
  apply(x: tf.Tensor4D): tf.Tensor2D {
    return tf.tidy(() => this.logits(this.features(x)));
  }
}
