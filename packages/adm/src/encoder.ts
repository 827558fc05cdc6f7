import { Conv2d } from '@ddpm/layers';
import type { Dropout } from '@ddpm/layers';
import type * as tf from '@tensorflow/tfjs-core';
import type { AttentionLayer } from './attention';
import type { Initial, Resampler, Resampling } from './blocks';
import type { ResBlock } from './res-block';

/** A residual block, and attention behind it at some levels. */
export interface Stage {
  readonly block: ResBlock;
  readonly attention?: AttentionLayer;
}

/** One level of a path: stages, and what leads to the next level. */
export interface Level {
  readonly stages: readonly Stage[];
  readonly resampler?: Resampler;
}

/** How the parts of a network are made; levels are counted from full size down. */
export interface Parts {
  block(inChannels: number, outChannels: number): ResBlock;
  /** @param index which of the level's blocks it stands behind */
  attention(direction: Resampling, level: number, channels: number, index: number): AttentionLayer | undefined;
  resampler(direction: Resampling, level: number, channels: number): Resampler;
  /** The middle's blocks, with attention between them; empty where there is no middle. */
  middle(channels: number): readonly Stage[];
}

/** Inputs of all parts of a network, beside the images. */
export interface Given {
  /** The vector of each image's noise level and class, [n, embDim]. */
  readonly emb: tf.Tensor2D;
  /** The sequence that attention reads beside the images, [n, positions, features]. */
  readonly context?: tf.Tensor3D;
  /** In training. */
  readonly dropout?: Dropout;
}

/** x through a residual block and, where there is one, attention. */
export function applyStage({ block, attention }: Stage, x: tf.Tensor4D, { emb, context, dropout }: Given): tf.Tensor4D {
  const h = block.apply(x, emb, dropout);
  return attention ? attention.apply(h, context) : h;
}

/** How many residual blocks a level has on the way down. */
export const blocksAt = (numResBlocks: number | readonly number[], level: number): number =>
  typeof numResBlocks === 'number' ? numResBlocks : numResBlocks[level];

/** The half of the U-Net down to the middle and through it. */
export class Encoder {
  /** 3×3, at full size. */
  readonly inConv: Conv2d;
  /** The levels from full size down. */
  readonly downs: readonly Level[];
  /** The middle, at the smallest size. */
  readonly middle: readonly Stage[];

  /**
   * @param options.widths each level's channels, from full size down
   * @param options.numResBlocks residual blocks of a level, or of each
   */
  constructor({
    inChannels,
    widths,
    numResBlocks,
    parts,
    ...initial
  }: {
    inChannels: number;
    widths: readonly number[];
    numResBlocks: number | readonly number[];
    parts: Parts;
  } & Initial) {
    this.inConv = new Conv2d({ inChannels, outChannels: widths[0], kernelSize: 3, padding: 1, ...initial });
    this.downs = widths.map((width, level) => ({
      stages: Array.from({ length: blocksAt(numResBlocks, level) }, (_, i) => ({
        block: parts.block(i > 0 ? width : widths[Math.max(0, level - 1)], width),
        attention: parts.attention('down', level, width, i),
      })),
      ...(level < widths.length - 1 && { resampler: parts.resampler('down', level, width) }),
    }));
    this.middle = parts.middle(widths.at(-1)!);
  }

  /**
   * x: [n, h, w, inChannels] → what stands behind the middle, and every feature map before it: those that the way up
   * takes.
   */
  apply(x: tf.Tensor4D, given: Given): { readonly h: tf.Tensor4D; readonly skips: tf.Tensor4D[] } {
    let h = this.inConv.apply(x);
    const skips = [h];
    for (const { stages, resampler } of this.downs) {
      for (const stage of stages) skips.push((h = applyStage(stage, h, given)));
      if (resampler) skips.push((h = resampler.apply(h, given.emb, given.dropout)));
    }
    for (const stage of this.middle) h = applyStage(stage, h, given);
    return { h, skips };
  }
}
