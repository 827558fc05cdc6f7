import { torchAxes } from '@ddpm/layers';
import type { StoredTensor } from '@ddpm/safetensors';
import { readSafetensors, writeSafetensors } from '@ddpm/safetensors';
import * as tf from '@tensorflow/tfjs-core';
import type { Lora, LoraUpdate } from './lora';
import { updatable } from './lora';

/** How a network is called in a file; all is left out where names are our own. */
export interface LoraNames {
  /** Other libraries' name of the parameter at a path, such as diffusers'; the path itself by default. */
  nameOf?: (path: string) => string;
  /** The part of a pipeline that the network is, or the layer of a path in it; 'unet' by default. */
  part?: string | ((path: string) => string);
}

const partOf = (path: string, part: NonNullable<LoraNames['part']>) => (typeof part === 'string' ? part : part(path));
const nameOfLayer = (path: string, nameOf: (path: string) => string) =>
  nameOf(`${path}.weight`).replace(/\.weight$/, '');

/**
 * Updates as a safetensors file that diffusers' `load_lora_weights` and peft take: `unet.<layer>.lora_A.weight` and
 * `lora_B.weight`, float32. α/rank is multiplied into B, so that no α has to be told.
 */
export async function writeLora(
  updates: Lora,
  { nameOf = (path) => path, part = 'unet' }: LoraNames = {},
): Promise<Uint8Array> {
  const tensors = new Map<string, { shape: readonly number[]; data: Float32Array }>();
  for (const [path, { down, up, scale }] of updates) {
    const name = `${partOf(path, part)}.${nameOfLayer(path, nameOf)}`;
    tensors.set(`${name}.lora_A.weight`, { shape: down.shape, data: await down.data<'float32'>() });
    const data = Float32Array.from(await up.data<'float32'>(), (value) => value * scale);
    tensors.set(`${name}.lora_B.weight`, { shape: up.shape, data });
  }
  return writeSafetensors(tensors, { format: 'pt' });
}

/** The meaning of names' ends, by who writes them: peft, diffusers before, and kohya's scripts. */
const ends: Readonly<Record<string, 'down' | 'up' | 'alpha'>> = {
  '.lora_A.weight': 'down',
  '.lora_A.default.weight': 'down',
  '.lora.down.weight': 'down',
  '.lora_down.weight': 'down',
  '.lora_B.weight': 'up',
  '.lora_B.default.weight': 'up',
  '.lora.up.weight': 'up',
  '.lora_up.weight': 'up',
  '.alpha': 'alpha',
};

/** Prefixes of the names of layers: diffusers' and peft's part, and kohya's, whose names have no dots. */
const kohya: Readonly<Record<string, string>> = { unet: 'lora_unet_', text_encoder: 'lora_te_' };

/**
 * The updates of a network that a file holds, as diffusers, peft or kohya's scripts write them. α is that of a layer's
 * `.alpha`, or of the file's `lora_adapter_metadata`; otherwise the rank.
 * @throws Error in one line that names what is not carried: layers that the network does not have, those of another part
 * of the pipeline, an A without a B, or another kind of update
 */
export function readLora(
  module: object,
  bytes: Uint8Array,
  { nameOf = (path) => path, part = 'unet' }: LoraNames = {},
): Lora {
  const { tensors, metadata } = readSafetensors(bytes);
  const names = new Map<string, string>();
  for (const path of updatable(module).keys()) {
    const [layer, own] = [nameOfLayer(path, nameOf), partOf(path, part)];
    names.set(layer, path);
    names.set(`${own}.${layer}`, path);
    names.set(`base_model.model.${layer}`, path);
    names.set(`${kohya[own] ?? `${own}_`}${layer.replaceAll('.', '_')}`, path);
  }
  const found = new Map<string, Partial<Record<'down' | 'up' | 'alpha', StoredTensor>>>();
  const strange: string[] = [];
  for (const [name, tensor] of tensors) {
    const end = Object.keys(ends).find((text) => name.endsWith(text));
    const path = end === undefined ? undefined : names.get(name.slice(0, -end.length));
    if (end === undefined || path === undefined) strange.push(name);
    else found.set(path, { ...found.get(path), [ends[end]]: tensor });
  }
  if (strange.length > 0)
    throw new Error(
      `${strange.length} of its ${tensors.size} tensors are no update of a layer of the ${typeof part === 'string' ? part : 'model'}: ${strange.slice(0, 3).join(', ')}${strange.length > 3 ? ', …' : ''}`,
    );
  if (found.size === 0) throw new Error('it holds no update');
  const axes = torchAxes(module);
  const updates = new Map<string, LoraUpdate>();
  for (const [path, { down, up, alpha }] of found) {
    if (!down || !up) throw new Error(`the update of '${path}' lacks its ${down ? 'up' : 'down'} half`);
    const [rank, inner] = [down.shape[0], up.shape[1]];
    if (rank !== inner) throw new Error(`the update of '${path}' has ${rank} directions down, and ${inner} up`);
    const own = alpha ? numbers(alpha)[0] : (alphaOf(metadata.lora_adapter_metadata, partOf(path, part)) ?? rank);
    // A 1×1 convolution may be written as a matrix, and the other way round.
    const { length } = axes.get(`${path}.weight`)!;
    const shaped = (shape: readonly number[]) =>
      length === 4 && shape.length === 2
        ? [...shape, 1, 1]
        : length === 2 && shape.slice(2).every((size) => size === 1)
          ? shape.slice(0, 2)
          : [...shape];
    const [a, b] = [down, up].map((each) => tf.tidy(() => tf.variable(tf.tensor(numbers(each), shaped(each.shape)))));
    updates.set(path, { down: a, up: b, scale: own / rank });
  }
  return updates;
}

const numbers = ({ data }: StoredTensor) => Float32Array.from(data as ArrayLike<number>);

/** α of all layers, where the file's metadata says it. */
function alphaOf(metadata: string | undefined, part: string): number | undefined {
  if (metadata === undefined) return undefined;
  const config = JSON.parse(metadata) as Record<string, unknown>;
  const alpha = config[`${part}.lora_alpha`] ?? config.lora_alpha;
  const pattern = config[`${part}.alpha_pattern`] ?? config.alpha_pattern;
  if (pattern && Object.keys(pattern).length > 0)
    throw new Error('its metadata give layers an α of their own (alpha_pattern), which is not carried');
  return typeof alpha === 'number' ? alpha : undefined;
}
