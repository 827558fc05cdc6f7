import type { StoredValues, TensorValues } from '@ddpm/layers';
import { loadTorchTensors, toTorchTensors } from '@ddpm/layers';
import type { LucidrainsUnetOptions } from './unet';
import { LucidrainsUnet } from './unet';

/** The options of denoising-diffusion-pytorch's `Unet`, by its own names; all but `dim` have its defaults. */
export interface LucidrainsOptions {
  dim: number;
  init_dim?: number | null;
  out_dim?: number | null;
  dim_mults?: readonly number[];
  channels?: number;
  /** Must be false: a network that is given its own x̂_0 is not carried. */
  self_condition?: boolean;
  learned_variance?: boolean;
  learned_sinusoidal_cond?: boolean;
  /** Frequencies as those of `learned_sinusoidal_cond`, which would not be trained; here they would. */
  random_fourier_features?: boolean;
  learned_sinusoidal_dim?: number;
  sinusoidal_pos_emb_theta?: number;
  dropout?: number;
  attn_dim_head?: number | readonly number[];
  attn_heads?: number | readonly number[];
  /** As there, false is the default: at the innermost level alone. */
  full_attn?: boolean | readonly boolean[] | null;
  /** How full attention is computed there, which does not change what comes out. */
  flash_attn?: boolean;
}

const known: Readonly<Record<keyof LucidrainsOptions, keyof LucidrainsUnetOptions | undefined>> = {
  ...{ dim: 'dim', init_dim: 'initDim', out_dim: 'outDim', dim_mults: 'dimMults', channels: 'channels' },
  ...{ self_condition: undefined, learned_variance: 'learnedVariance' },
  ...{ learned_sinusoidal_cond: 'learnedSinusoidalCond', random_fourier_features: undefined },
  ...{ learned_sinusoidal_dim: 'learnedSinusoidalDim', sinusoidal_pos_emb_theta: 'sinusoidalPosEmbTheta' },
  ...{ dropout: 'dropout', attn_dim_head: 'attnDimHead', attn_heads: 'attnHeads', full_attn: 'fullAttn' },
  flash_attn: undefined,
};

/**
 * The options of a `LucidrainsUnet`, from those of denoising-diffusion-pytorch's `Unet`.
 * @throws RangeError if there is one that it does not have, or the network is given its own x̂_0 (`self_condition`)
 */
export function lucidrainsUnetOptions(options: LucidrainsOptions): LucidrainsUnetOptions {
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(known, name));
  if (unknown !== undefined)
    throw new RangeError(
      `lucidrainsUnetOptions: Unet has the options ${Object.keys(known).join(', ')}, and no ${unknown}`,
    );
  if (options.self_condition)
    throw new RangeError('lucidrainsUnetOptions: a network with self_condition, given its own x̂_0, is not carried');
  const entries = Object.entries(options).flatMap(([name, value]) => {
    const own = known[name as keyof LucidrainsOptions];
    const left = own === undefined || value === null || value === undefined || (own === 'fullAttn' && value === false);
    return left ? [] : [[own, value] as const];
  });
  return {
    ...(Object.fromEntries(entries) as unknown as LucidrainsUnetOptions),
    ...(options.random_fourier_features && { learnedSinusoidalCond: true }),
  };
}

/** Fields that are known by their places in `nn.Sequential`s. */
const positions: Readonly<Record<string, string>> = { mlp: 'mlp.1', outConv: 'to_out.0', outNorm: 'to_out.1' };

/**
 * denoising-diffusion-pytorch's name of the parameter at a path: `downs.0.resample.conv.weight` →
 * `downs.0.3.1.weight`.
 */
export function lucidrainsTorchName(path: string): string {
  const parts = ['block1', 'block2', 'attention', 'resample'];
  return path
    .replace('timeMlp.frequencies', 'time_mlp.0.weights')
    .replace('timeMlp.linear1', 'time_mlp.1')
    .replace('timeMlp.linear2', 'time_mlp.3')
    .replace(/^((?:down|up)s\.\d+)\.(\w+)/, (_, level: string, part: string) => `${level}.${parts.indexOf(part)}`)
    .replace(/^((?:down|up)s\.\d+\.3)\.conv\./, '$1.1.')
    .split('.')
    .map((field) => positions[field] ?? field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`))
    .join('.');
}

/**
 * Whether these are the names of denoising-diffusion-pytorch's U-Net, and not of the tutorial's, which has no learned
 * positions in its attention.
 */
export const isLucidrains = (tensors: ReadonlyMap<string, unknown>): boolean => tensors.has('downs.0.2.mem_kv');

/**
 * Sets the network's weights, all or none, from the `state_dict` of denoising-diffusion-pytorch's `Unet`.
 * @param tensors float32 values by its names, in PyTorch's layout, without what wrappers put before them
 * @throws Error that names tensors that are missing, unexpected or misshapen
 */
export function loadLucidrainsStateDict(
  unet: LucidrainsUnet,
  tensors: ReadonlyMap<string, TensorValues | StoredValues>,
): void {
  loadTorchTensors(unet, tensors, lucidrainsTorchName);
}

/** The network's weights as such a `state_dict`, to the bit. */
export const toLucidrainsStateDict = (unet: LucidrainsUnet): Promise<Map<string, TensorValues>> =>
  toTorchTensors(unet, lucidrainsTorchName);

/**
 * The network with weights of denoising-diffusion-pytorch's `Unet`, by its own options.
 * @throws RangeError or Error if an option is not carried, or the tensors are not those of such a network
 */
export function unetFromLucidrains(
  options: LucidrainsOptions,
  tensors: ReadonlyMap<string, TensorValues | StoredValues>,
): LucidrainsUnet {
  const unet = new LucidrainsUnet(lucidrainsUnetOptions(options));
  loadLucidrainsStateDict(unet, tensors);
  return unet;
}

/**
 * The options of the network whose `state_dict` this is, as far as the shapes tell: not the sinusoids' theta and
 * dropout, for which the defaults stay.
 * @throws Error if the names are not those of denoising-diffusion-pytorch's U-Net, or it is one with `self_condition`
 */
export function lucidrainsOptionsFromTorch(
  tensors: ReadonlyMap<string, { readonly shape: readonly number[] }>,
): LucidrainsUnetOptions & {
  readonly channels: number;
  readonly outDim: number;
  readonly dimMults: readonly number[];
} {
  const shapeOf = (name: string): readonly number[] => {
    const found = tensors.get(name);
    if (!found) throw new Error(`this is no state_dict of denoising-diffusion-pytorch's U-Net: ${name} is missing`);
    return found.shape;
  };
  const dim = shapeOf('time_mlp.1.weight')[0] / 4;
  const [initDim, channels] = shapeOf('init_conv.weight');
  const outDim = shapeOf('final_conv.weight')[0];
  if (outDim * 2 === channels)
    throw new Error('it is of a network with self_condition, which is given its own x̂_0, and that is not carried');
  const levels: { mult: number; heads: number; dimHead: number; full: boolean }[] = [];
  while (tensors.has(`downs.${levels.length}.2.mem_kv`)) {
    const at = `downs.${levels.length}`;
    const full = !tensors.has(`${at}.2.to_out.0.weight`);
    const [, heads, ...sizes] = shapeOf(`${at}.2.mem_kv`);
    const resampler = tensors.has(`${at}.3.1.weight`) ? `${at}.3.1.weight` : `${at}.3.weight`;
    levels.push({ mult: shapeOf(resampler)[0] / dim, heads, dimHead: sizes[full ? 1 : 0], full });
  }
  const frequencies = tensors.get('time_mlp.0.weights');
  return {
    ...{ dim, initDim, channels, outDim },
    dimMults: levels.map(({ mult }) => mult),
    attnHeads: levels.map(({ heads }) => heads),
    attnDimHead: levels.map(({ dimHead }) => dimHead),
    fullAttn: levels.map(({ full }) => full),
    ...(frequencies && { learnedSinusoidalCond: true, learnedSinusoidalDim: 2 * frequencies.shape[0] }),
  };
}
