import type { Init } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import { SplitAttention } from './attention';
import type { Initial, Resampling } from './blocks';
import { ConvDownsample, ConvUpsample } from './blocks';
import type { Parts } from './encoder';
import { ResBlock } from './res-block';
import type { Condition } from './unet';
import { Unet } from './unet';
import type { Unet2dConfig } from './unet2d-config';
import { Options } from './unet2d-config';
import { Unet2dEmbedding } from './unet2d-told';

/** The options of `UNet2DModel` with its defaults (diffusers 0.42). */
const defaults = {
  sample_size: null as number | readonly number[] | null,
  in_channels: 3,
  out_channels: 3,
  center_input_sample: false,
  time_embedding_type: 'positional',
  time_embedding_dim: null as number | null,
  freq_shift: 0,
  flip_sin_to_cos: true,
  down_block_types: ['DownBlock2D', 'AttnDownBlock2D', 'AttnDownBlock2D', 'AttnDownBlock2D'] as readonly string[],
  mid_block_type: 'UNetMidBlock2D' as string | null,
  up_block_types: ['AttnUpBlock2D', 'AttnUpBlock2D', 'AttnUpBlock2D', 'UpBlock2D'] as readonly string[],
  block_out_channels: [224, 448, 672, 896] as readonly number[],
  layers_per_block: 2,
  mid_block_scale_factor: 1,
  downsample_padding: 1,
  downsample_type: 'conv' as string | null,
  upsample_type: 'conv' as string | null,
  dropout: 0,
  act_fn: 'silu',
  attention_head_dim: 8 as number | null,
  norm_num_groups: 32,
  attn_norm_num_groups: null as number | null,
  norm_eps: 1e-5,
  resnet_time_scale_shift: 'default',
  add_attention: true,
  class_embed_type: null as string | null,
  num_class_embeds: null as number | null,
  num_train_timesteps: null as number | null,
};
type Config = typeof defaults;

const options = new Options('UNet2DModel');

/** How a block type of each path changes the size, and whether it has attention; `byOption` where an option says how. */
const blockTypes = {
  down: {
    DownBlock2D: { attention: false, resampler: 'conv' },
    AttnDownBlock2D: { attention: true, resampler: 'byOption' },
    ResnetDownsampleBlock2D: { attention: false, resampler: 'resnet' },
  },
  up: {
    UpBlock2D: { attention: false, resampler: 'conv' },
    AttnUpBlock2D: { attention: true, resampler: 'byOption' },
    ResnetUpsampleBlock2D: { attention: false, resampler: 'resnet' },
  },
} as const;
type BlockType = { readonly attention: boolean; readonly resampler: 'conv' | 'resnet' | 'byOption' };

/** @throws RangeError that names what is not carried, or does not fit together */
function readConfig(given: Unet2dConfig): Config {
  const config = options.read(given, defaults, {
    optional: [
      ...['sample_size', 'time_embedding_dim', 'mid_block_type', 'downsample_type', 'upsample_type'],
      ...['attention_head_dim', 'attn_norm_num_groups', 'class_embed_type', 'num_class_embeds', 'num_train_timesteps'],
    ],
  });
  const { in_channels, out_channels, layers_per_block, norm_num_groups } = config;
  options.whole({
    ...{ in_channels, out_channels, layers_per_block, norm_num_groups },
    ...Object.fromEntries(config.block_out_channels.map((width, i) => [`block_out_channels[${i}]`, width])),
  });
  options.levels(config, 'down_block_types', 'up_block_types');
  return config;
}

/** The U-Net's parts, as a config asks for them. */
function unet2dParts(config: Config, { init, seed }: { init?: Init; seed: number }) {
  const { block_out_channels: widths, norm_eps: eps, norm_num_groups: groups, downsample_padding: padding } = config;
  options.groups(groups, widths);
  const initial: Initial = { init, rng: new Random(seed) };
  const embDim = config.time_embedding_dim ?? 4 * widths[0];
  const scaleShift =
    options.oneOf('resnet_time_scale_shift', config.resnet_time_scale_shift, ['default', 'scale_shift']) ===
    'scale_shift';
  if (config.mid_block_type !== null) options.oneOf('mid_block_type', config.mid_block_type, ['UNetMidBlock2D']);
  const activation = options.activation(config.act_fn);
  const style = { embDim, groups, eps, scaleShift, activation, ...initial };

  const types = { down: config.down_block_types, up: [...config.up_block_types].reverse() };
  const typeOf = (direction: Resampling, level: number): BlockType => {
    const carried: Readonly<Record<string, BlockType>> = blockTypes[direction];
    const name = types[direction][level];
    return carried[options.oneOf(`${direction}_block_types`, name.replace(/^UNetRes/, ''), Object.keys(carried))];
  };
  const attention = (channels: number, ofGroups: number | null, outputScale = 1) => {
    const dimHead = config.attention_head_dim ?? channels;
    if (!Number.isInteger(dimHead) || dimHead < 1 || dimHead > channels)
      throw new RangeError(`UNet2DModel: attention_head_dim (${dimHead}) must be from 1 to the width of ${channels}`);
    if (ofGroups !== null && channels % ofGroups !== 0)
      throw new RangeError(`UNet2DModel: attn_norm_num_groups (${ofGroups}) must divide the width of ${channels}`);
    return new SplitAttention({ channels, dimHead, groups: ofGroups, eps, outputScale, ...initial });
  };
  const block = (inChannels: number, outChannels: number, resampling?: Resampling, outputScale = 1) =>
    new ResBlock({ inChannels, outChannels, resampling, outputScale, ...style });

  const parts: Parts = {
    block,
    attention: (direction, level, channels) =>
      typeOf(direction, level).attention ? attention(channels, groups) : undefined,
    resampler: (direction, level, channels) => {
      const { resampler } = typeOf(direction, level);
      const option = `${direction}sample_type` as const;
      const kind =
        resampler === 'byOption' ? options.oneOf(option, config[option] ?? 'conv', ['conv', 'resnet']) : resampler;
      if (kind === 'resnet') return block(channels, channels, direction);
      if (direction === 'up') return new ConvUpsample({ channels, ...initial });
      // Without padding, it pads behind alone.
      if (padding !== 0 && padding !== 1) options.refuse('downsample_padding', padding, '0 and 1');
      return new ConvDownsample({ channels, padding: padding === 0 ? [0, 1] : 1, ...initial });
    },
    middle: (channels) => {
      if (config.mid_block_type === null) return [];
      const scale = config.mid_block_scale_factor;
      const ofGroups = config.attn_norm_num_groups ?? (scaleShift ? null : groups);
      return [
        {
          block: block(channels, channels, undefined, scale),
          ...(config.add_attention && { attention: attention(channels, ofGroups, scale) }),
        },
        { block: block(channels, channels, undefined, scale) },
      ];
    },
  };
  const told = new Unet2dEmbedding(options, config, { embDim, ...initial });
  return {
    who: 'UNet2DModel',
    imageChannels: config.in_channels,
    outChannels: config.out_channels,
    widths,
    numResBlocks: config.layers_per_block,
    ...{ told, activation, parts, groups, eps, dropout: config.dropout },
    ...initial,
  };
}

/** diffusers' `UNet2DModel`, and with it Ho et al.'s own U-Net, whose converted weights it holds. */
export class Unet2d extends Unet {
  private readonly centred: boolean;
  private readonly overTime: boolean;

  /**
   * @param config its `config.json`
   * @param options.seed the initial weights are a function of it; 0 by default
   * @param options.init how the weights begin instead, such as `zeroInit` where they are loaded
   * @throws RangeError that names the option and its value that is not carried, or does not fit
   */
  constructor(config: Unet2dConfig = {}, { seed = 0, init }: { seed?: number; init?: Init } = {}) {
    const read = readConfig(config);
    super(unet2dParts(read, { seed, init }));
    this.centred = read.center_input_sample;
    this.overTime = read.time_embedding_type === 'fourier';
  }

  /**
   * x: [n, h, w, in_channels], t: [n] → [n, h, w, out_channels]; h and w multiples of 2^(levels − 1). With classes,
   * `label`: [n] int32, or what `class_embed_type` takes: [n] for `timestep`, [n, time_embedding_dim] for `identity`.
   * @throws RangeError if they are not, or the conditions are not those of the network
   */
  override apply(x: tf.Tensor4D, t: tf.Tensor1D, condition: Condition = {}): tf.Tensor4D {
    return tf.tidy(() => {
      const out = super.apply(this.centred ? tf.sub(tf.mul(x, 2), 1) : x, t, condition);
      return this.overTime ? tf.div<tf.Tensor4D>(out, tf.reshape(t, [-1, 1, 1, 1])) : out;
    });
  }
}
