import { Conv2d, dropoutBy, drawMasks, GroupNorm, pixelShuffle, pixelUnshuffle, silu } from '@ddpm/layers';
import type { Init } from '@ddpm/layers';
import type { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import type { Initial } from './blocks';
import type { Level, Parts } from './encoder';
import { applyStage, blocksAt, Encoder } from './encoder';
import type { Activation } from './res-block';
import { ResBlock } from './res-block';

/** Inputs beside x and t, by name. */
export type Condition = Readonly<Record<string, tf.Tensor>>;

/** The embedding that each block is told: of the noise level, and the class where there is one. */
export interface Told {
  /** The names of the conditions that it takes. */
  readonly conditions: readonly string[];
  /** t: [n], and the conditions → [n, embDim]. */
  apply(t: tf.Tensor1D, condition: Condition): tf.Tensor2D;
}

/**
 * Another input of a network, such as a caption: a sequence that attention reads, and maybe a vector for each block.
 */
export interface Context {
  /** The names of the conditions that it takes. */
  readonly conditions: readonly string[];
  /** Features of each position of the sequence. */
  readonly width: number;
  /** The conditions → [n, positions, width], and [n, embDim]. */
  apply(condition: Condition): { readonly sequence: tf.Tensor3D; readonly pooled?: tf.Tensor2D };
}

/** The parts that a `Unet` is made of. */
export interface UnetParts extends Initial {
  /** Whose name errors begin with. */
  who: string;
  imageChannels: number;
  outChannels: number;
  /** Squares of so many pixels on a side are one position of the first level. */
  patchSize?: number;
  /** Each level's channels, from full size down. */
  widths: readonly number[];
  /** Residual blocks of a level, or of each, on the way down; on the way up there is one more. */
  numResBlocks: number | readonly number[];
  told: Told;
  context?: Context;
  /** Of what the blocks are told; SiLU by default. */
  activation?: Activation;
  /** Before the last convolution; SiLU by default. */
  outActivation?: Activation;
  parts: Parts;
  /** How often values are dropped in training; 0 by default. */
  dropout?: number;
  /** Of the last norm. */
  groups: number;
  eps?: number;
  /** How the last convolution begins. */
  outInit?: Init;
  /** Whether height and width may be any, those that are odd being rounded up on the way down; false by default. */
  anySize?: boolean;
}

/** A condition that is drawn in training alone. */
interface DropoutInput {
  /** The shape of an example. */
  readonly item: number[];
  /** The masks of so many examples. */
  readonly draw: (rng: Random, count: number) => Float32Array;
}

/**
 * The U-Net of Ho et al. 2020 (appendix B), which those of Nichol & Dhariwal 2021, Dhariwal & Nichol 2021 and diffusers'
 * `UNet2DModel` are varieties of: residual blocks, each of whose results on the way down is concatenated to an input on
 * the way up.
 */
export class Unet {
  readonly told: Told;
  readonly context?: Context;
  readonly encoder: Encoder;
  /** The levels back up, from the smallest; each of their blocks takes a skip connection. */
  readonly ups: readonly Level[];
  readonly outNorm: GroupNorm;
  readonly outConv: Conv2d;
  readonly patchSize: number;
  readonly conditions: readonly string[];
  /** How often values are dropped in training. */
  readonly dropout: number;
  private readonly who: string;
  private readonly activation: Activation;
  private readonly outActivation: Activation;
  /** Whether height and width may be any. */
  readonly anySize: boolean;

  constructor({
    who,
    imageChannels,
    outChannels,
    patchSize = 1,
    widths,
    numResBlocks,
    told,
    context,
    activation = silu,
    outActivation = silu,
    parts,
    dropout = 0,
    groups,
    eps,
    outInit,
    anySize = false,
    ...initial
  }: UnetParts) {
    if (!(dropout >= 0 && dropout < 1))
      throw new RangeError(`${who}: dropout must be from 0 to below 1, got ${dropout}`);
    this.who = who;
    this.dropout = dropout;
    this.patchSize = patchSize;
    this.told = told;
    this.activation = activation;
    this.outActivation = outActivation;
    this.anySize = anySize;
    if (context) this.context = context;
    this.conditions = [...told.conditions, ...(context?.conditions ?? [])];
    const square = patchSize * patchSize;
    this.encoder = new Encoder({ inChannels: imageChannels * square, widths, numResBlocks, parts, ...initial });
    const deepest = widths.length - 1;
    const skips = widths.flatMap((width, level) =>
      Array<number>(blocksAt(numResBlocks, level) + Number(level < deepest)).fill(width),
    );
    skips.unshift(widths[0]);
    this.ups = [...widths.keys()].reverse().map((level) => {
      const width = widths[level];
      return {
        stages: Array.from({ length: blocksAt(numResBlocks, level) + 1 }, (_, i) => ({
          block: parts.block((i > 0 ? width : (widths[level + 1] ?? width)) + skips.pop()!, width),
          attention: parts.attention('up', level, width, i),
        })),
        ...(level > 0 && { resampler: parts.resampler('up', level, width) }),
      };
    });
    this.outNorm = new GroupNorm({ groups, channels: widths[0], eps });
    this.outConv = new Conv2d({
      ...initial,
      ...{ inChannels: widths[0], outChannels: outChannels * square, kernelSize: 3, padding: 1 },
      ...(outInit && { init: outInit }),
    });
  }

  /**
   * x: [n, h, w, imageChannels], t: [n], and the conditions by name → [n, h, w, outChannels]; h and w multiples of
   * patchSize · 2^(levels − 1), but for networks of any size. In training alone, also `dropout`, as `trainingInputs` draws it.
   * @throws RangeError if they are not, or the conditions are not those of the network; TypeError if labels are not
   * int32.
   */
  apply(x: tf.Tensor4D, t: tf.Tensor1D, condition: Condition = {}): tf.Tensor4D {
    const { dropout: masks, ...conditions } = condition;
    checkInputs(this.who, this, x, t, this.dropout > 0 ? conditions : condition);
    if (masks) this.checkMasks(x, masks);
    return tf.tidy(() => {
      const context = this.context?.apply(conditions);
      const told = this.told.apply(t, conditions);
      const given = {
        emb: this.activation(context?.pooled ? tf.add<tf.Tensor2D>(told, context.pooled) : told),
        context: context?.sequence,
        dropout: masks && dropoutBy(masks as tf.Tensor2D),
      };
      const { patchSize } = this;
      const encoded = this.encoder.apply(patchSize === 1 ? x : pixelUnshuffle(x, patchSize), given);
      let { h } = encoded;
      for (const { stages, resampler } of this.ups) {
        for (const stage of stages) h = applyStage(stage, tf.concat([h, encoded.skips.pop()!], 3), given);
        if (resampler) {
          const [, height, width] = encoded.skips.at(-1)!.shape;
          h = resampler.apply(h, given.emb, given.dropout, [height, width]);
        }
      }
      const out = this.outConv.apply(this.outActivation(this.outNorm.apply(h)));
      return patchSize === 1 ? out : pixelShuffle(out, patchSize);
    });
  }

  /** `dropout`, where values are dropped: for images [h, w, c], a number for each of them, 0 or 1/(1 − dropout). */
  trainingInputs([h, w]: readonly number[]): Record<string, DropoutInput> {
    if (this.dropout === 0) return {};
    const item = [this.droppable(h, w)];
    return { dropout: { item, draw: (rng, count) => drawMasks(rng, count, this.dropout) } };
  }

  /** How many values of an image are dropped or not, in the order in which `apply` comes upon them. */
  private droppable(h: number, w: number): number {
    const { downs, middle } = this.encoder;
    const of = ({ stages, resampler }: Level, level: number) => {
      const at = (side: number) => Math.ceil(side / this.patchSize / 2 ** level);
      const size = [at(h), at(w)] as const;
      const blocks = [...stages.map(({ block }) => block), ...(resampler instanceof ResBlock ? [resampler] : [])];
      return blocks.reduce((sum, block) => sum + block.droppable(size), 0);
    };
    const deepest = downs.length - 1;
    const counts = [
      ...downs.map(of),
      of({ stages: middle }, deepest),
      ...this.ups.map((level, i) => of(level, deepest - i)),
    ];
    return counts.reduce((sum, count) => sum + count);
  }

  private checkMasks({ shape: [n, h, w] }: tf.Tensor4D, masks: tf.Tensor): void {
    const expected = [n, this.droppable(h, w)];
    if (masks.shape.join() !== expected.join())
      throw new RangeError(
        `${this.who}: expected dropout as [${expected.join(', ')}], got [${masks.shape.join(', ')}]`,
      );
  }
}

/** @throws RangeError that says what of a network's inputs does not fit. */
export function checkInputs(
  who: string,
  {
    encoder,
    patchSize,
    conditions,
    anySize = false,
  }: Pick<Unet, 'encoder' | 'patchSize' | 'conditions'> & { readonly anySize?: boolean },
  x: tf.Tensor4D,
  t: tf.Tensor1D,
  condition: Condition,
): void {
  const channels = encoder.inConv.weight.shape[2]! / (patchSize * patchSize);
  const factor = patchSize * 2 ** (encoder.downs.length - 1);
  const [n, h, w, c] = x.shape;
  if (x.rank !== 4 || c !== channels)
    throw new RangeError(`${who}: expected images [n, h, w, ${channels}], got [${x.shape.join(', ')}]`);
  if (!anySize && (h % factor !== 0 || w % factor !== 0)) {
    const patches = patchSize > 1 ? `patches of ${patchSize}×${patchSize} and ` : '';
    throw new RangeError(
      `${who}: height and width must be multiples of ${factor}, because of ${patches}${encoder.downs.length} levels; got ${h}×${w}`,
    );
  }
  if (t.rank !== 1 || t.shape[0] !== n)
    throw new RangeError(`${who}: expected t as [${n}], one for each image, got [${t.shape.join(', ')}]`);
  const given = Object.keys(condition).sort().join(', ');
  const expected = [...conditions].sort().join(', ');
  if (given !== expected)
    throw new RangeError(`${who}: expected the conditions ${expected || 'none'}, got ${given || 'none'}`);
  for (const [name, { shape }] of Object.entries(condition))
    if (shape[0] !== n)
      throw new RangeError(`${who}: expected ${name} with ${n} rows, one for each image, got [${shape.join(', ')}]`);
}
