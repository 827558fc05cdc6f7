import type { StoredValues, TensorValues } from '@ddpm/layers';
import { loadTorchTensors, toTorchTensors } from '@ddpm/layers';
import type { Autoencoder } from './autoencoder';
import { AutoencoderKl } from './autoencoder-kl';
import { AutoencoderTiny } from './autoencoder-tiny';
import { AutoencoderVq } from './autoencoder-vq';

/** A config.json, of which each key is asked for, with what diffusers takes where it is missing. */
class Config {
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #asked = new Set<string>();
  readonly #name: string;

  constructor(name: string, values: Readonly<Record<string, unknown>>) {
    this.#name = name;
    this.#values = values;
  }

  get<T>(key: string, standard: T): T {
    this.#asked.add(key);
    return (this.#values[key] ?? standard) as T;
  }

  /** For a key of which only one value is built here. */
  expect(key: string, expected: unknown, standard = expected): void {
    const value = this.get(key, standard);
    if (JSON.stringify(value) !== JSON.stringify(expected))
      throw new Error(
        `autoencoderFromConfig: ${this.#name}: ${key} must be ${JSON.stringify(expected)}, got ${JSON.stringify(value)}`,
      );
  }

  /** @throws Error if there are keys that were not asked for */
  end(): void {
    const others = Object.keys(this.#values).filter((key) => !key.startsWith('_') && !this.#asked.has(key));
    if (others.length > 0) throw new Error(`autoencoderFromConfig: ${this.#name}: unknown ${others.join(', ')}`);
  }
}

/** The options that AutoencoderKL and VQModel have in common. */
function rombach(config: Config) {
  const imageChannels = config.get('in_channels', 3);
  const blockOutChannels = config.get('block_out_channels', [64]);
  const every = (type: string) => blockOutChannels.map(() => type);
  config.expect('out_channels', imageChannels, 3);
  config.expect('down_block_types', every('DownEncoderBlock2D'), ['DownEncoderBlock2D']);
  config.expect('up_block_types', every('UpDecoderBlock2D'), ['UpDecoderBlock2D']);
  config.expect('act_fn', 'silu');
  // How large the training images were, and whether float16 does not suffice.
  for (const key of ['sample_size', 'force_upcast']) config.get(key, undefined);
  return {
    ...{ imageChannels, blockOutChannels },
    layersPerBlock: config.get('layers_per_block', 1),
    normNumGroups: config.get('norm_num_groups', 32),
    midBlockAddAttention: config.get('mid_block_add_attention', true),
    scalingFactor: config.get('scaling_factor', 0.18215),
  };
}

/** By the names of diffusers' classes. */
const classes: Readonly<Record<string, (config: Config) => Autoencoder>> = {
  AutoencoderKL(config) {
    for (const key of ['latents_mean', 'latents_std']) config.expect(key, null);
    return new AutoencoderKl({
      ...rombach(config),
      latentChannels: config.get('latent_channels', 4),
      shiftFactor: config.get('shift_factor', 0),
      useQuantConv: config.get('use_quant_conv', true),
      usePostQuantConv: config.get('use_post_quant_conv', true),
    });
  },
  VQModel(config) {
    config.expect('norm_type', 'group');
    config.expect('lookup_from_codebook', false);
    const latentChannels = config.get('latent_channels', 3);
    return new AutoencoderVq({
      ...rombach(config),
      latentChannels,
      numVqEmbeddings: config.get('num_vq_embeddings', 256),
      vqEmbedDim: config.get('vq_embed_dim', latentChannels),
    });
  },
  AutoencoderTiny(config) {
    const [imageChannels, widths] = [config.get('in_channels', 3), config.get('decoder_block_out_channels', [64])];
    const [width] = widths;
    const encoderBlocks = config.get('num_encoder_blocks', [1, 3, 3, 3]);
    const decoderBlocks = config.get('num_decoder_blocks', [3, 3, 3, 1]);
    const everywhere = encoderBlocks.map(() => width);
    config.expect('out_channels', imageChannels, 3);
    for (const key of ['encoder_block_out_channels', 'decoder_block_out_channels', 'block_out_channels'])
      config.expect(key, everywhere);
    config.expect('act_fn', 'relu');
    config.expect('upsample_fn', 'nearest');
    config.expect('upsampling_scaling_factor', 2);
    // How latents become bytes, which they do not here.
    for (const key of ['latent_magnitude', 'latent_shift', 'force_upcast']) config.get(key, undefined);
    return new AutoencoderTiny({
      ...{ imageChannels, width },
      latentChannels: config.get('latent_channels', 4),
      ...{ numEncoderBlocks: encoderBlocks, numDecoderBlocks: decoderBlocks },
      scalingFactor: config.get('scaling_factor', 1),
      shiftFactor: config.get('shift_factor', 0),
    });
  },
};

/**
 * The autoencoder that a `config.json` of diffusers describes (`AutoencoderKL`, `VQModel`, `AutoencoderTiny`), with
 * initial weights: `loadAutoencoder` gives it others.
 * @throws Error if it is of another class, or says what is not built here
 */
export function autoencoderFromConfig(config: Readonly<Record<string, unknown>>): Autoencoder {
  const name = config._class_name;
  if (typeof name !== 'string' || !Object.hasOwn(classes, name))
    throw new Error(
      `autoencoderFromConfig: _class_name must be one of ${Object.keys(classes).join(', ')}, got ${JSON.stringify(name)}`,
    );
  const read = new Config(name, config);
  const autoencoder = classes[name](read);
  read.end();
  return autoencoder;
}

/** PyTorch's name of the parameter at a path: `encoder.downBlocks.0.…` → `encoder.down_blocks.0.…`. */
export const autoencoderTorchName = (path: string): string =>
  path.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Names of attention's matrices in older files. */
const olderNames: Readonly<Record<string, string>> = {
  query: 'to_q',
  key: 'to_k',
  value: 'to_v',
  proj_attn: 'to_out.0',
};

/**
 * Sets an autoencoder's weights, all or none, from a state_dict of diffusers; attention's older names (`query`, `key`,
 * `value`, `proj_attn`, also as 1×1 convolutions) are known.
 * @param tensors float32 values by diffusers' names, in PyTorch's layout
 * @throws Error that names tensors that are missing, unexpected or misshapen
 */
export function loadAutoencoder(
  autoencoder: Autoencoder,
  tensors: ReadonlyMap<string, TensorValues | StoredValues>,
): void {
  const renamed = [...tensors].map(([name, tensor]) => {
    const [, start, older, end] = /^(.*\.attentions\.\d+\.)(query|key|value|proj_attn)(\..*)$/.exec(name) ?? [];
    if (older === undefined) return [name, tensor] as const;
    const { shape } = tensor;
    const matrix = shape.length === 4 && shape[2] === 1 && shape[3] === 1 ? shape.slice(0, 2) : shape;
    return [`${start}${olderNames[older]}${end}`, { ...tensor, shape: matrix }] as const;
  });
  loadTorchTensors(autoencoder, new Map(renamed), autoencoderTorchName);
}

/** An autoencoder's weights by diffusers' names, in PyTorch's layout: what `loadAutoencoder` takes, to the bit. */
export const autoencoderStateDict = (autoencoder: Autoencoder): Promise<Map<string, TensorValues>> =>
  toTorchTensors(autoencoder, autoencoderTorchName);
