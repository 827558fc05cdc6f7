import { Embedding, gelu, loadTorchTensors, silu, sinusoidalEmbedding, toTorchTensors, zeroInit } from '@ddpm/layers';
import type { Init, TensorValues } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import { SplitAttention } from './attention';
import type { Initial, Resampling } from './blocks';
import { ConvDownsample, ConvUpsample } from './blocks';
import { EmbeddingMlp } from './embedding';
import type { Parts } from './encoder';
import type { Vocabulary } from './names';
import { Places } from './names';
import type { Activation } from './res-block';
import { ResBlock } from './res-block';
import type { Condition, Told } from './unet';
import { Unet } from './unet';

/** A `config.json` of diffusers' `UNet2DModel`, read as JSON; what is not in it has that class's default. */
export type Unet2dConfig = Readonly<Record<string, unknown>>;

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

const activations: Readonly<Record<string, Activation>> = {
  silu,
  swish: silu,
  gelu,
  relu: (x) => tf.relu(x),
  mish: <T extends tf.Tensor>(x: T) => tf.mul<T>(x, tf.tanh(tf.softplus(x))),
};

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

/** @throws RangeError that names an option whose value is not carried, and what is. */
function refuse(name: string, value: unknown, carried: string): never {
  throw new RangeError(`UNet2DModel: ${name} ${JSON.stringify(value)} is not carried, only ${carried}`);
}

function oneOf<Value extends string>(name: string, value: unknown, carried: readonly Value[]): Value {
  const found = carried.find((each) => each === value);
  return found ?? refuse(name, value, carried.map((each) => JSON.stringify(each)).join(', '));
}

/** @throws RangeError that names what is not carried, or does not fit together */
function readConfig(given: Unet2dConfig): Config {
  const { _class_name: name = 'UNet2DModel' } = given;
  if (name !== 'UNet2DModel')
    throw new RangeError(`expected the config of a UNet2DModel, got that of ${JSON.stringify(name)}`);
  const own = Object.entries(given).filter(([key]) => !key.startsWith('_'));
  const stranger = own.find(([key]) => !Object.hasOwn(defaults, key));
  if (stranger) throw new RangeError(`UNet2DModel: there is no option ${stranger[0]} (${JSON.stringify(stranger[1])})`);
  const config = { ...defaults, ...Object.fromEntries(own) };
  const optional = new Set([
    'sample_size',
    'time_embedding_dim',
    'mid_block_type',
    'downsample_type',
    'upsample_type',
    'attention_head_dim',
    'attn_norm_num_groups',
    'class_embed_type',
    'num_class_embeds',
    'num_train_timesteps',
  ]);
  for (const [key, value] of Object.entries(config)) {
    const fallback = (defaults as Record<string, unknown>)[key];
    const fits =
      value === null
        ? optional.has(key)
        : fallback === null || (typeof value === typeof fallback && Array.isArray(value) === Array.isArray(fallback));
    if (!fits) throw new RangeError(`UNet2DModel: ${key} ${JSON.stringify(value)} makes no sense`);
  }
  const sizes = {
    in_channels: config.in_channels,
    out_channels: config.out_channels,
    layers_per_block: config.layers_per_block,
    norm_num_groups: config.norm_num_groups,
    ...Object.fromEntries(config.block_out_channels.map((width, i) => [`block_out_channels[${i}]`, width])),
  };
  for (const [key, value] of Object.entries(sizes))
    if (!Number.isInteger(value) || value < 1)
      throw new RangeError(`UNet2DModel: ${key} must be a whole number of at least 1, got ${JSON.stringify(value)}`);
  const levels = config.block_out_channels.length;
  for (const key of ['down_block_types', 'up_block_types'] as const)
    if (config[key].length !== levels)
      throw new RangeError(
        `UNet2DModel: ${key} names ${config[key].length} levels, and block_out_channels ${levels}; they must be as many`,
      );
  return config;
}

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

/** What `UNet2DModel` tells its blocks. */
class Unet2dEmbedding implements Told {
  /** Where t is not told by sinusoids: a learned vector for each, or Fourier frequencies. */
  readonly timeProj?: Embedding | FourierFrequencies;
  readonly time: EmbeddingMlp;
  /** Where there are classes, and their embedding is learned. */
  readonly label?: Embedding | EmbeddingMlp;
  readonly conditions: readonly string[];
  private readonly sinusoids: { dim: number; endpoint: boolean; cosFirst: boolean };

  constructor(config: Config, embDim: number, initial: Initial) {
    const [dim] = config.block_out_channels;
    const { freq_shift: shift, class_embed_type: classes } = config;
    if (shift !== 0 && shift !== 1) refuse('freq_shift', shift, '0 and 1');
    this.sinusoids = { dim, endpoint: shift === 1, cosFirst: config.flip_sin_to_cos };
    const kind = oneOf('time_embedding_type', config.time_embedding_type, ['positional', 'fourier', 'learned']);
    if (kind === 'positional' && dim % 2 !== 0) refuse('block_out_channels[0]', dim, 'an even one, for the sinusoids');
    if (kind === 'fourier') this.timeProj = new FourierFrequencies({ dim, ...initial });
    if (kind === 'learned') {
      if (config.num_train_timesteps === null)
        throw new RangeError('UNet2DModel: time_embedding_type "learned" needs num_train_timesteps');
      this.timeProj = new Embedding({ numEmbeddings: config.num_train_timesteps, embeddingDim: dim, ...initial });
    }
    const inFeatures = kind === 'fourier' ? 2 * dim : dim;
    this.time = new EmbeddingMlp({ inFeatures, embDim, ...initial });
    if (classes !== null) oneOf('class_embed_type', classes, ['timestep', 'identity']);
    if (classes === null && config.num_class_embeds !== null)
      this.label = new Embedding({ numEmbeddings: config.num_class_embeds, embeddingDim: embDim, ...initial });
    if (classes === 'timestep') this.label = new EmbeddingMlp({ inFeatures, embDim, ...initial });
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

/** What the U-Net is made of, as a config asks. */
function unet2dParts(config: Config, { init, seed }: { init?: Init; seed: number }) {
  const { block_out_channels: widths, norm_eps: eps, norm_num_groups: groups, downsample_padding: padding } = config;
  const unfit = widths.filter((width) => width % groups !== 0);
  if (unfit.length > 0)
    throw new RangeError(
      `UNet2DModel: norm_num_groups (${groups}) must divide every width, but not so ${unfit.join(', ')}`,
    );
  const initial: Initial = { init, rng: new Random(seed) };
  const embDim = config.time_embedding_dim ?? 4 * widths[0];
  const activationName = oneOf('act_fn', config.act_fn.toLowerCase(), Object.keys(activations));
  const scaleShift =
    oneOf('resnet_time_scale_shift', config.resnet_time_scale_shift, ['default', 'scale_shift']) === 'scale_shift';
  if (config.mid_block_type !== null) oneOf('mid_block_type', config.mid_block_type, ['UNetMidBlock2D']);
  const activation = activations[activationName];
  const style = { embDim, groups, eps, scaleShift, activation, ...initial };

  const types = { down: config.down_block_types, up: [...config.up_block_types].reverse() };
  const typeOf = (direction: Resampling, level: number): BlockType => {
    const carried: Readonly<Record<string, BlockType>> = blockTypes[direction];
    const name = types[direction][level];
    return carried[oneOf(`${direction}_block_types`, name.replace(/^UNetRes/, ''), Object.keys(carried))];
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
      const kind = resampler === 'byOption' ? oneOf(option, config[option] ?? 'conv', ['conv', 'resnet']) : resampler;
      if (kind === 'resnet') return block(channels, channels, direction);
      if (direction === 'up') return new ConvUpsample({ channels, ...initial });
      // Without padding, it pads behind alone.
      if (padding !== 0 && padding !== 1) refuse('downsample_padding', padding, '0 and 1');
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
  const told = new Unet2dEmbedding(config, embDim, initial);
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

/**
 * diffusers' `UNet2DModel` with given weights.
 * @param config its `config.json`
 * @param tensors its weights, float32 by diffusers' names, in PyTorch's layout; attention's names of before 2023 are
 * read too
 * @throws RangeError that names the option and its value that is not carried; Error that names tensors that are
 * missing, unexpected or misshapen
 */
export function unet2dFromConfig(config: Unet2dConfig, tensors: ReadonlyMap<string, TensorValues>): Unet2d {
  const unet = new Unet2d(config, { init: zeroInit });
  const names = unet2dNames(unet);
  loadTorchTensors(unet, new Map([...tensors].map(([name, tensor]) => [today(name), tensor])), (path) =>
    names.get(path)!,
  );
  return unet;
}

/** The U-Net's weights as diffusers' `state_dict`, under today's names. */
export function toUnet2d(unet: Unet2d): Promise<Map<string, TensorValues>> {
  const names = unet2dNames(unet);
  return toTorchTensors(unet, (path) => names.get(path)!);
}

/** What attention's layers were called before diffusers 0.15. */
const formerly: Readonly<Record<string, string>> = { query: 'to_q', key: 'to_k', value: 'to_v', proj_attn: 'to_out.0' };

const today = (name: string) =>
  name.replace(
    /(\.attentions\.\d+\.)(query|key|value|proj_attn)\./,
    (_, place: string, old: string) => `${place}${formerly[old]}.`,
  );

const vocabulary: Vocabulary = {
  block: {
    norm1: 'norm1',
    conv1: 'conv1',
    emb: 'time_emb_proj',
    norm2: 'norm2',
    conv2: 'conv2',
    skip: 'conv_shortcut',
  },
  attention: {
    norm: 'group_norm',
    'attention.toQ': 'to_q',
    'attention.toK': 'to_k',
    'attention.toV': 'to_v',
    'attention.toOut': 'to_out.0',
  },
  down: 'conv',
  up: 'conv',
};

/** By our path, diffusers' name of every parameter of the U-Net. */
export function unet2dNames(unet: Unet2d): Map<string, string> {
  const places = new Places(vocabulary);
  places.add('told.timeProj', 'time_proj');
  for (const [ours, theirs] of [
    ['told.time', 'time_embedding'],
    ['told.label', 'class_embedding'],
  ]) {
    places.add(ours, theirs);
    places.add(`${ours}.linear1`, `${theirs}.linear_1`);
    places.add(`${ours}.linear2`, `${theirs}.linear_2`);
  }
  places.add('encoder.inConv', 'conv_in');
  for (const [levels, ours, theirs, resampler] of [
    [unet.encoder.downs, 'encoder.downs', 'down_blocks', 'downsamplers'],
    [unet.ups, 'ups', 'up_blocks', 'upsamplers'],
  ] as const)
    levels.forEach((level, i) => {
      level.stages.forEach((_, j) => {
        places.block(`${ours}.${i}.stages.${j}.block`, `${theirs}.${i}.resnets.${j}`);
        places.attention(`${ours}.${i}.stages.${j}.attention`, `${theirs}.${i}.attentions.${j}`);
      });
      if (level.resampler) places.resampler(`${ours}.${i}.resampler`, `${theirs}.${i}.${resampler}.0`, level.resampler);
    });
  for (const i of [0, 1]) places.block(`encoder.middle.${i}.block`, `mid_block.resnets.${i}`);
  places.attention('encoder.middle.0.attention', 'mid_block.attentions.0');
  places.add('outNorm', 'conv_norm_out');
  places.add('outConv', 'conv_out');
  return places.of(unet);
}
