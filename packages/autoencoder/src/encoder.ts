import type { Conv2d } from '@ddpm/layers';
import { GroupNorm, silu } from '@ddpm/layers';
import * as tf from '@tensorflow/tfjs-core';
import type { Common } from './blocks';
import { conv3, Downsample, EPS, MidBlock, ResnetBlock, Upsample } from './blocks';

/** Sizes of an `Encoder` and its `Decoder`. */
export interface Sizes extends Common {
  readonly imageChannels: number;
  /** Channels at the small end. */
  readonly latentChannels: number;
  /** Each level's channels, from full size down. */
  readonly widths: readonly number[];
  /** Residual blocks of a level of the encoder; the decoder has one more. */
  readonly layersPerBlock: number;
  /** Whether there is attention in the middle. */
  readonly attention: boolean;
}

/** Images to feature maps, 2^(levels − 1) times smaller: the encoder of Rombach et al. 2021, appendix E. */
export class Encoder {
  readonly convIn: Conv2d;
  readonly downBlocks: readonly { readonly resnets: readonly ResnetBlock[]; readonly downsamplers?: [Downsample] }[];
  readonly midBlock: MidBlock;
  readonly convNormOut: GroupNorm;
  readonly convOut: Conv2d;

  constructor({ imageChannels, latentChannels, widths, layersPerBlock, attention, groups, rng }: Sizes) {
    const last = widths.length - 1;
    this.convIn = conv3({ inChannels: imageChannels, outChannels: widths[0], rng });
    this.downBlocks = widths.map((width, level) => ({
      resnets: blocks(layersPerBlock, widths[Math.max(0, level - 1)], width, { groups, rng }),
      ...(level < last && { downsamplers: [new Downsample({ channels: width, rng })] as [Downsample] }),
    }));
    this.midBlock = new MidBlock({ channels: widths[last], attention, groups, rng });
    this.convNormOut = new GroupNorm({ groups, channels: widths[last], eps: EPS });
    this.convOut = conv3({ inChannels: widths[last], outChannels: latentChannels, rng });
  }

  /** x: [n, h, w, imageChannels] → [n, h', w', latentChannels]. */
  apply(x: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(() => {
      let h = this.convIn.apply(x);
      for (const { resnets, downsamplers = [] } of this.downBlocks)
        for (const layer of [...resnets, ...downsamplers]) h = layer.apply(h);
      return this.convOut.apply(silu(this.convNormOut.apply(this.midBlock.apply(h))));
    });
  }
}

/** Feature maps to images, the encoder turned round. */
export class Decoder {
  readonly convIn: Conv2d;
  readonly midBlock: MidBlock;
  /** From the smallest size up. */
  readonly upBlocks: readonly { readonly resnets: readonly ResnetBlock[]; readonly upsamplers?: [Upsample] }[];
  readonly convNormOut: GroupNorm;
  readonly convOut: Conv2d;

  constructor({ imageChannels, latentChannels, widths, layersPerBlock, attention, groups, rng }: Sizes) {
    const up = [...widths].reverse();
    const last = up.length - 1;
    this.convIn = conv3({ inChannels: latentChannels, outChannels: up[0], rng });
    this.midBlock = new MidBlock({ channels: up[0], attention, groups, rng });
    this.upBlocks = up.map((width, level) => ({
      resnets: blocks(layersPerBlock + 1, up[Math.max(0, level - 1)], width, { groups, rng }),
      ...(level < last && { upsamplers: [new Upsample({ channels: width, rng })] as [Upsample] }),
    }));
    this.convNormOut = new GroupNorm({ groups, channels: up[last], eps: EPS });
    this.convOut = conv3({ inChannels: up[last], outChannels: imageChannels, rng });
  }

  /** z: [n, h, w, latentChannels] → [n, h', w', imageChannels]. */
  apply(z: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(() => {
      let h = this.midBlock.apply(this.convIn.apply(z));
      for (const { resnets, upsamplers = [] } of this.upBlocks)
        for (const layer of [...resnets, ...upsamplers]) h = layer.apply(h);
      return this.convOut.apply(silu(this.convNormOut.apply(h)));
    });
  }
}

const blocks = (count: number, before: number, width: number, common: Common): ResnetBlock[] =>
  Array.from(
    { length: count },
    (_, i) => new ResnetBlock({ inChannels: i > 0 ? width : before, outChannels: width, ...common }),
  );
