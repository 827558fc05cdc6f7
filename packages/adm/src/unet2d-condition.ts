import type { Init } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import type { Initial, Resampling } from './blocks';
import { ConvDownsample, ConvUpsample } from './blocks';
import type { Parts } from './encoder';
import { ResBlock } from './res-block';
import { Transformer2d } from './transformer2d';
import type { Condition, Context } from './unet';
import { Unet } from './unet';
import type { Unet2dConfig } from './unet2d-config';
import { Options } from './unet2d-config';
import { Unet2dEmbedding } from './unet2d-told';

const cross = (type: string) => [`CrossAttn${type}Block2D`, `CrossAttn${type}Block2D`, `CrossAttn${type}Block2D`];

/** One value, or one for each level. */
type PerLevel<Value> = Value | readonly Value[];

/** The options of `UNet2DConditionModel` with its defaults (diffusers 0.42). */
const defaults = {
  sample_size: null as number | readonly number[] | null,
  in_channels: 4,
  out_channels: 4,
  center_input_sample: false,
  flip_sin_to_cos: true,
  freq_shift: 0,
  down_block_types: [...cross('Down'), 'DownBlock2D'] as readonly string[],
  mid_block_type: 'UNetMidBlock2DCrossAttn' as string | null,
  up_block_types: ['UpBlock2D', ...cross('Up')] as readonly string[],
  only_cross_attention: false as PerLevel<boolean>,
  block_out_channels: [320, 640, 1280, 1280] as readonly number[],
  layers_per_block: 2 as PerLevel<number>,
  downsample_padding: 1,
  mid_block_scale_factor: 1,
  dropout: 0,
  act_fn: 'silu',
  norm_num_groups: 32,
  norm_eps: 1e-5,
  cross_attention_dim: 1280 as PerLevel<number>,
  transformer_layers_per_block: 1 as PerLevel<PerLevel<number>>,
  reverse_transformer_layers_per_block: null as readonly PerLevel<number>[] | null,
  attention_head_dim: 8 as PerLevel<number>,
  use_linear_projection: false,
  class_embed_type: null as string | null,
  num_class_embeds: null as number | null,
  projection_class_embeddings_input_dim: null as number | null,
  // Which precision a score has elsewhere; here it has all that float32 has.
  upcast_attention: false,
  resnet_time_scale_shift: 'default',
  time_embedding_type: 'positional',
  time_embedding_dim: null as number | null,
  num_attention_heads: null,
  encoder_hid_dim: null,
  encoder_hid_dim_type: null,
  dual_cross_attention: false,
  addition_embed_type: null,
  addition_time_embed_dim: null as number | null,
  addition_embed_type_num_heads: 64,
  resnet_skip_time_act: false,
  resnet_out_scale_factor: 1,
  time_embedding_act_fn: null,
  timestep_post_act: null,
  time_cond_proj_dim: null,
  conv_in_kernel: 3,
  conv_out_kernel: 3,
  attention_type: 'default',
  class_embeddings_concat: false,
  mid_block_only_cross_attention: null,
  cross_attention_norm: null,
};
type Config = typeof defaults;

/** Options of which only the default is carried, for what they change is another network. */
const fixed = [
  ...['num_attention_heads', 'encoder_hid_dim', 'encoder_hid_dim_type', 'dual_cross_attention', 'addition_embed_type'],
  ...['time_embedding_act_fn', 'timestep_post_act', 'time_cond_proj_dim', 'conv_in_kernel', 'conv_out_kernel'],
  ...['attention_type', 'class_embeddings_concat', 'cross_attention_norm', 'resnet_skip_time_act'],
  ...['mid_block_only_cross_attention', 'time_embedding_type', 'resnet_out_scale_factor'],
] as const satisfies readonly (keyof Config)[];

const options = new Options('UNet2DConditionModel');

/** How a block type of each path changes the size, and whether it has attention to a context. */
const blockTypes = {
  down: {
    DownBlock2D: { attention: false, resampler: 'conv' },
    CrossAttnDownBlock2D: { attention: true, resampler: 'conv' },
    ResnetDownsampleBlock2D: { attention: false, resampler: 'resnet' },
  },
  up: {
    UpBlock2D: { attention: false, resampler: 'conv' },
    CrossAttnUpBlock2D: { attention: true, resampler: 'conv' },
    ResnetUpsampleBlock2D: { attention: false, resampler: 'resnet' },
  },
} as const;
type BlockType = { readonly attention: boolean; readonly resampler: 'conv' | 'resnet' };

const at = <Value>(values: PerLevel<Value>, place: number): Value =>
  Array.isArray(values) ? (values as readonly Value[])[place] : (values as Value);

/** @throws RangeError that names what is not carried, or does not fit together */
function readConfig(given: Unet2dConfig): Config {
  const perLevel = [
    ...['only_cross_attention', 'layers_per_block', 'cross_attention_dim', 'attention_head_dim'],
    'transformer_layers_per_block',
  ] as const;
  const optional = Object.entries(defaults).flatMap(([key, value]) => (value === null ? [key] : []));
  const config = options.read(given, defaults, { optional: [...optional, 'mid_block_type'], listed: perLevel });
  for (const key of fixed)
    if (config[key] !== defaults[key]) options.refuse(key, config[key], JSON.stringify(defaults[key]));
  const { block_out_channels: widths, reverse_transformer_layers_per_block: reversed } = config;
  const lists = perLevel.filter((key) => Array.isArray(config[key]));
  options.levels(config, 'down_block_types', 'up_block_types', ...lists);
  if (reversed) options.levels(config, 'reverse_transformer_layers_per_block');
  const each = (key: string, values: unknown): [string, unknown][] =>
    Array.isArray(values) ? values.flatMap((value, i) => each(`${key}[${i}]`, value)) : [[key, values]];
  const { in_channels, out_channels, norm_num_groups } = config;
  options.whole({
    ...{ in_channels, out_channels, norm_num_groups },
    ...Object.fromEntries(
      [
        ...(['block_out_channels', 'layers_per_block', 'cross_attention_dim', 'attention_head_dim'] as const),
        ...(['transformer_layers_per_block'] as const),
      ].flatMap((key) => each(key, config[key])),
    ),
    ...Object.fromEntries(reversed ? each('reverse_transformer_layers_per_block', reversed) : []),
  });
  const dims = new Set(widths.map((_, level) => at(config.cross_attention_dim, level)));
  if (dims.size > 1) options.refuse('cross_attention_dim', config.cross_attention_dim, 'one for all levels');
  return config;
}

/** A sequence for attention that the caller gives, such as what CLIP makes of a caption. */
class GivenContext implements Context {
  readonly conditions = ['context'];

  constructor(readonly width: number) {}

  apply({ context }: Condition): { readonly sequence: tf.Tensor3D } {
    if (context.rank !== 3 || context.shape[2] !== this.width)
      throw new RangeError(
        `UNet2DConditionModel: expected context [n, positions, ${this.width}], got [${context.shape.join(', ')}]`,
      );
    return { sequence: context as tf.Tensor3D };
  }
}

/** The U-Net's parts, as a config asks for them. */
function partsOf(config: Config, { init, seed }: { init?: Init; seed: number }) {
  const { block_out_channels: widths, norm_eps: eps, norm_num_groups: groups, downsample_padding: padding } = config;
  options.groups(groups, widths);
  const initial: Initial = { init, rng: new Random(seed) };
  const embDim = config.time_embedding_dim ?? 4 * widths[0];
  const scaleShift =
    options.oneOf('resnet_time_scale_shift', config.resnet_time_scale_shift, ['default', 'scale_shift']) ===
    'scale_shift';
  const middle =
    config.mid_block_type &&
    options.oneOf('mid_block_type', config.mid_block_type, ['UNetMidBlock2DCrossAttn', 'UNetMidBlock2D']);
  if (padding !== 0 && padding !== 1) options.refuse('downsample_padding', padding, '0 and 1');
  const activation = options.activation(config.act_fn);
  const types = { down: config.down_block_types, up: [...config.up_block_types].reverse() };
  const typeOf = (direction: Resampling, level: number): BlockType => {
    const carried: Readonly<Record<string, BlockType>> = blockTypes[direction];
    return carried[options.oneOf(`${direction}_block_types`, types[direction][level], Object.keys(carried))];
  };
  const contextDim = at(config.cross_attention_dim, 0);
  const deepest = widths.length - 1;
  const { reverse_transformer_layers_per_block: reversed, transformer_layers_per_block: layersOf } = config;
  const layersAt = (direction: Resampling, level: number, index: number) =>
    at<number>(direction === 'up' && reversed ? reversed[deepest - level] : at(layersOf, level), index);
  const attention = (level: number, channels: number, layers: number, onlyContext: boolean) => {
    // The option is called so by mistake: it is how many heads there are.
    const heads = at(config.attention_head_dim, level);
    if (heads > channels)
      throw new RangeError(
        `UNet2DConditionModel: attention_head_dim (${heads}), the number of heads, must be from 1 to the width of ${channels}`,
      );
    if (layers === undefined)
      throw new RangeError(
        `UNet2DConditionModel: transformer_layers_per_block ${JSON.stringify(layersOf)} must name as many as a level has blocks; those of the way up are in reverse_transformer_layers_per_block`,
      );
    const linearProjection = config.use_linear_projection;
    return new Transformer2d({
      channels,
      heads,
      layers,
      groups,
      contextDim,
      onlyContext,
      linearProjection,
      ...initial,
    });
  };
  const block = (inChannels: number, outChannels: number, resampling?: Resampling, outputScale = 1) =>
    new ResBlock({
      ...{ inChannels, outChannels, resampling, outputScale },
      ...{ embDim, groups, eps, scaleShift, activation, ...initial },
    });
  const parts: Parts = {
    block,
    attention: (direction, level, channels, index) =>
      typeOf(direction, level).attention
        ? attention(level, channels, layersAt(direction, level, index), at(config.only_cross_attention, level))
        : undefined,
    resampler: (direction, level, channels) => {
      if (typeOf(direction, level).resampler === 'resnet') return block(channels, channels, direction);
      if (direction === 'up') return new ConvUpsample({ channels, ...initial });
      // Without padding, it pads behind alone.
      return new ConvDownsample({ channels, padding: padding === 0 ? [0, 1] : 1, ...initial });
    },
    middle: (channels) => {
      if (!middle) return [];
      const residual = () => ({ block: block(channels, channels, undefined, config.mid_block_scale_factor) });
      if (middle === 'UNetMidBlock2D') return [residual()];
      const first = residual();
      const layers = layersAt('down', deepest, 0);
      return [{ ...first, attention: attention(deepest, channels, layers, false) }, residual()];
    },
  };
  const resampled = widths.flatMap((_, level) =>
    level === deepest ? [] : [typeOf('down', level).resampler, typeOf('up', level + 1).resampler],
  );
  const told = new Unet2dEmbedding(
    options,
    { ...config, num_train_timesteps: null },
    { embDim, activation, ...initial },
  );
  return {
    who: 'UNet2DConditionModel',
    imageChannels: config.in_channels,
    outChannels: config.out_channels,
    widths,
    numResBlocks: widths.map((_, level) => at(config.layers_per_block, level)),
    ...{ told, context: new GivenContext(contextDim), activation, outActivation: activation },
    ...{ parts, groups, eps, dropout: config.dropout },
    anySize: padding === 1 && resampled.every((resampler) => resampler === 'conv'),
    ...initial,
  };
}

/** diffusers' `UNet2DConditionModel`: the U-Net of Stable Diffusion, whose attention reads a sequence (Rombach et al. 2021). */
export class Unet2dCondition extends Unet {
  private readonly centred: boolean;

  /**
   * @param config its `config.json`
   * @param options.seed the initial weights are a function of it; 0 by default
   * @param options.init how the weights begin instead, such as `zeroInit` where they are loaded
   * @throws RangeError that names the option and its value that is not carried, or does not fit
   */
  constructor(config: Unet2dConfig = {}, { seed = 0, init }: { seed?: number; init?: Init } = {}) {
    const read = readConfig(config);
    super(partsOf(read, { seed, init }));
    this.centred = read.center_input_sample;
  }

  /**
   * x: [n, h, w, in_channels], t: [n], `context`: [n, positions, cross_attention_dim] → [n, h, w, out_channels]. Height
   * and width may be any; with residual blocks that resample, or a `downsample_padding` of 0, multiples of
   * 2^(levels − 1). With classes, also `label`: [n] int32, or what `class_embed_type` takes.
   * @throws RangeError if they are not, or the conditions are not those of the network
   */
  override apply(x: tf.Tensor4D, t: tf.Tensor1D, condition: Condition = {}): tf.Tensor4D {
    return tf.tidy(() => super.apply(this.centred ? tf.sub(tf.mul(x, 2), 1) : x, t, condition));
  }
}
