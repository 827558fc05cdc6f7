import {
  Attention,
  Conv2d,
  ConvNextBlock,
  Downsample,
  Embedding,
  gelu,
  Linear,
  LinearAttention,
  normalInit,
  PreNorm,
  Residual,
  ResnetBlock,
  sinusoidalEmbedding,
  Upsample,
  zeroInit,
} from '@ddpm/layers';
import { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';

/** Options of a `Unet`; all but `dim` have defaults. */
export interface UnetOptions {
  /** Width of the first level, and of the time embedding's sinusoids; even, at least 4. */
  dim: number;
  /** Width after the first convolution; ⌊dim/3⌋·2 by default. */
  initDim?: number;
  /** Channels of the output; by default those of the input. */
  outDim?: number;
  /** Each level's width as a multiple of dim; [1, 2, 4, 8] by default. The first must be 1. */
  dimMults?: readonly number[];
  /** Channels of the images; 3 by default. */
  channels?: number;
  /** Whether the network is told t; true by default. */
  withTimeEmb?: boolean;
  /**
   * Groups of the ResNet blocks' norms, which must divide every level's width; 8 by default, without effect on ConvNeXt
   * blocks.
   */
  resnetBlockGroups?: number;
  /** ConvNeXt blocks (the default), or ResNet blocks. */
  useConvnext?: boolean;
  /** Inner width of the ConvNeXt blocks, as a multiple of their outer width; 2 by default. */
  convnextMult?: number;
  /**
   * Makes it take the condition `label`: classes 0 … classes − 1, and `classes` for none of them, which guidance needs.
   * Each has a vector that is added to the time embedding. Without classes, the default, it is the tutorial's U-Net,
   * and takes no condition.
   */
  classes?: number;
  /**
   * How the classes' vectors begin: from N(0, 1), `'normal'`, the default, or at 0, `'zero'`, where a label changes
   * nothing at first.
   */
  classInit?: 'normal' | 'zero';
  /** The initial weights are a function of it; 0 by default. With classes, those of all else stay the same. */
  seed?: number;
}

const classInits = { normal: normalInit(1), zero: zeroInit };

/** @inline */
type UnetBlock = ConvNextBlock | ResnetBlock;
/** @inline */
type AttentionLayer = Residual<PreNorm<LinearAttention>>;

/**
 * The U-Net of Ho et al. 2020 (appendix B; Ronneberger et al. 2015) as the tutorial builds it: two blocks and linear
 * attention at every level, full attention in the middle, the time embedding in every block but the last.
 */
export class Unet {
  /** 7×7, to initDim channels at full size. */
  readonly initConv: Conv2d;
  /** t [n] → the time embedding [n, 4·dim]. */
  readonly timeMlp?: { readonly linear1: Linear; readonly linear2: Linear };
  /** The label [n] → what is added to the time embedding; the last row is for no class. */
  readonly classEmbedding?: Embedding;
  /** `label`, where there are classes. */
  readonly conditions: readonly string[];
  /** The levels from full size down. */
  readonly downs: {
    readonly block1: UnetBlock;
    readonly block2: UnetBlock;
    readonly attention: AttentionLayer;
    readonly downsample?: Downsample;
  }[];
  /** The middle, at the smallest size: block, full attention, block. */
  readonly midBlock1: UnetBlock;
  readonly midAttn: Residual<PreNorm<Attention>>;
  readonly midBlock2: UnetBlock;
  /** The levels back up, each of which takes a skip connection. */
  readonly ups: {
    readonly block1: UnetBlock;
    readonly block2: UnetBlock;
    readonly attention: AttentionLayer;
    readonly upsample: Upsample;
  }[];
  /** At full size again, without the time. */
  readonly finalBlock: UnetBlock;
  /** 1×1, to outDim channels. */
  readonly finalConv: Conv2d;

  /** @throws RangeError if the options do not fit together; the message names the numbers. */
  constructor({
    dim,
    initDim = Math.floor(dim / 3) * 2,
    channels = 3,
    outDim = channels,
    dimMults = [1, 2, 4, 8],
    withTimeEmb = true,
    resnetBlockGroups = 8,
    useConvnext = true,
    convnextMult = 2,
    classes,
    classInit = 'normal',
    seed = 0,
  }: UnetOptions) {
    if (withTimeEmb && (!Number.isInteger(dim) || dim % 2 !== 0 || dim < 4)) {
      throw new RangeError(`Unet: dim must be an even number of at least 4 for the time's sinusoids, got ${dim}`);
    }
    if (classes !== undefined && (!Number.isInteger(classes) || classes < 1)) {
      throw new RangeError(`Unet: classes must be a whole number of at least 1, got ${classes}`);
    }
    if (classes !== undefined && !withTimeEmb) {
      throw new RangeError('Unet: classes are added to the time embedding, so withTimeEmb must not be false');
    }
    if (!Object.hasOwn(classInits, classInit)) {
      throw new RangeError(`Unet: classInit must be ${Object.keys(classInits).join(' or ')}, got ${String(classInit)}`);
    }
    const widths = dimMults.map((mult) => dim * mult);
    if (dimMults[0] !== 1) {
      throw new RangeError(
        `Unet: dimMults must begin with 1, since the last level ends in a block of width dim; got [${dimMults.join(', ')}]`,
      );
    }
    const unfit = widths.filter((width) => width % resnetBlockGroups !== 0);
    if (!useConvnext && unfit.length > 0) {
      throw new RangeError(
        `Unet: resnetBlockGroups (${resnetBlockGroups}) must divide every width, but not so ${unfit.join(', ')} (dim ${dim} × dimMults)`,
      );
    }

    const rng = new Random(seed);
    const timeEmbDim = withTimeEmb ? dim * 4 : undefined;
    const block = (from: number, to: number, time?: number): UnetBlock =>
      useConvnext
        ? new ConvNextBlock({ dim: from, dimOut: to, timeEmbDim: time, mult: convnextMult, rng })
        : new ResnetBlock({ dim: from, dimOut: to, timeEmbDim: time, groups: resnetBlockGroups, rng });
    const attention = (width: number) =>
      new Residual({ fn: new PreNorm({ dim: width, fn: new LinearAttention({ dim: width, rng }) }) });

    this.initConv = new Conv2d({ inChannels: channels, outChannels: initDim, kernelSize: 7, padding: 3, rng });
    if (timeEmbDim !== undefined) {
      this.timeMlp = {
        linear1: new Linear({ inFeatures: dim, outFeatures: timeEmbDim, rng }),
        linear2: new Linear({ inFeatures: timeEmbDim, outFeatures: timeEmbDim, rng }),
      };
    }
    this.conditions = classes === undefined ? [] : ['label'];
    if (classes !== undefined && timeEmbDim !== undefined) {
      // From a stream of its own, so that the classes change no other weight.
      const own = new Random([seed, 'classes']);
      this.classEmbedding = new Embedding({
        numEmbeddings: classes + 1,
        embeddingDim: timeEmbDim,
        init: classInits[classInit],
        rng: own,
      });
    }
    this.downs = widths.map((width, level) => ({
      block1: block(level === 0 ? initDim : widths[level - 1], width, timeEmbDim),
      block2: block(width, width, timeEmbDim),
      attention: attention(width),
      downsample: level < widths.length - 1 ? new Downsample({ dim: width, rng }) : undefined,
    }));
    const middle = widths[widths.length - 1];
    this.midBlock1 = block(middle, middle, timeEmbDim);
    this.midAttn = new Residual({ fn: new PreNorm({ dim: middle, fn: new Attention({ dim: middle, rng }) }) });
    this.midBlock2 = block(middle, middle, timeEmbDim);
    this.ups = widths
      .slice(0, -1)
      .map((width, level) => ({
        block1: block(2 * widths[level + 1], width, timeEmbDim),
        block2: block(width, width, timeEmbDim),
        attention: attention(width),
        upsample: new Upsample({ dim: width, rng }),
      }))
      .reverse();
    this.finalBlock = block(dim, dim);
    this.finalConv = new Conv2d({ inChannels: dim, outChannels: outDim, kernelSize: 1, rng });
  }

  /**
   * xt: [n, h, w, channels], t: [n] → [n, h, w, outDim]; h and w multiples of 2^(levels − 1). With classes, `label`:
   * [n] int32.
   * @throws RangeError if they are not; TypeError if the labels are not int32.
   */
  apply(xt: tf.Tensor4D, t: tf.Tensor1D, condition: Readonly<Record<string, tf.Tensor>> = {}): tf.Tensor4D {
    this.check(xt, t, condition);
    return tf.tidy(() => {
      const timeEmb = this.embedding(t, condition);
      let x = this.initConv.apply(xt);

      const skips: tf.Tensor4D[] = [];
      for (const { block1, block2, attention, downsample } of this.downs) {
        x = attention.apply(block2.apply(block1.apply(x, timeEmb), timeEmb));
        skips.push(x);
        if (downsample) x = downsample.apply(x);
      }

      x = this.midBlock1.apply(x, timeEmb);
      x = this.midAttn.apply(x);
      x = this.midBlock2.apply(x, timeEmb);

      // The deepest skip is used first; that of the first level never is, as in the tutorial.
      for (const { block1, block2, attention, upsample } of this.ups) {
        x = tf.concat([x, skips.pop()!], 3);
        x = attention.apply(block2.apply(block1.apply(x, timeEmb), timeEmb));
        x = upsample.apply(x);
      }
      return this.finalConv.apply(this.finalBlock.apply(x));
    });
  }

  /** The time embedding that the blocks are told. */
  private embedding(t: tf.Tensor1D, { label }: Readonly<Record<string, tf.Tensor>>): tf.Tensor2D | undefined {
    const timeEmb = this.timeEmbedding(t);
    return timeEmb && this.classEmbedding ? tf.add(timeEmb, this.classEmbedding.apply(label as tf.Tensor1D)) : timeEmb;
  }

  private timeEmbedding(t: tf.Tensor1D): tf.Tensor2D | undefined {
    if (!this.timeMlp) return undefined;
    const { linear1, linear2 } = this.timeMlp;
    const sinusoids = sinusoidalEmbedding(t, { dim: linear1.weight.shape[0], endpoint: true });
    return linear2.apply(gelu(linear1.apply(sinusoids)));
  }

  private check(xt: tf.Tensor4D, t: tf.Tensor1D, condition: Readonly<Record<string, tf.Tensor>>): void {
    const channels = this.initConv.weight.shape[2]!;
    const factor = 2 ** (this.downs.length - 1);
    const [n, h, w, c] = xt.shape;
    if (xt.rank !== 4 || c !== channels)
      throw new RangeError(`Unet: expected images [n, h, w, ${channels}], got [${xt.shape.join(', ')}]`);
    if (h % factor !== 0 || w % factor !== 0) {
      throw new RangeError(
        `Unet: height and width must be multiples of ${factor}, since ${this.downs.length} levels halve them; got ${h}×${w}`,
      );
    }
    if (t.rank !== 1 || t.shape[0] !== n)
      throw new RangeError(`Unet: expected t as [${n}], one for each image, got [${t.shape.join(', ')}]`);
    const given = Object.entries(condition).map(([name, { shape }]) => `${name} [${shape.join(', ')}]`);
    const expected = this.conditions.map((name) => `${name} [${n}]`);
    if (given.join() !== expected.join())
      throw new RangeError(
        `Unet: expected the conditions ${expected.join(', ') || 'none'}, got ${given.join(', ') || 'none'}`,
      );
  }
}
