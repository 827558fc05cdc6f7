import type { TensorValues } from '@ddpm/layers';
import { loadTorchTensors, toTorchTensors } from '@ddpm/layers';
import type { Unet, UnetOptions } from './unet';

/** Our fields that the tutorial's `nn.Sequential`s know by position. */
const positions: Readonly<Record<string, string>> = {
  mlp: 'mlp.1',
  norm1: 'net.0',
  conv1: 'net.1',
  norm2: 'net.3',
  conv2: 'net.4',
  outConv: 'to_out.0',
  outNorm: 'to_out.1',
};

const levelParts = ['block1', 'block2', 'attention', '(?:down|up)sample'];

/**
 * The tutorial's `state_dict` name of the U-Net's parameter at a path: `downs.0.block1.conv1.weight` →
 * `downs.0.0.net.1.weight`.
 */
export function unetTorchName(path: string): string {
  const positional = levelParts
    .reduce((name, part, i) => name.replace(new RegExp(`^((?:down|up)s\\.\\d+)\\.${part}\\.`), `$1.${i}.`), path)
    .replace('timeMlp.linear1', 'time_mlp.1')
    .replace('timeMlp.linear2', 'time_mlp.3')
    .replace('finalBlock', 'final_conv.0')
    .replace('finalConv', 'final_conv.1');
  return positional
    .split('.')
    .map((field) => positions[field] ?? field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`))
    .join('.');
}

/**
 * Prefixes that `DataParallel`, `torch.compile`, and classes that hold an average of the weights or the network put
 * before every name.
 */
const wrapper = /^(module|_orig_mod|ema_model|model)\./;

/** The tensors by the network's own names: without what wrappers of it put before all of them. */
function unwrapped<T>(tensors: ReadonlyMap<string, T>): ReadonlyMap<string, T> {
  const [first] = tensors.keys();
  const [prefix] = wrapper.exec(first ?? '') ?? [];
  if (prefix === undefined || ![...tensors.keys()].every((name) => name.startsWith(prefix))) return tensors;
  return unwrapped(new Map([...tensors].map(([name, tensor]) => [name.slice(prefix.length), tensor])));
}

/**
 * Sets the U-Net's weights, all or none, from the tutorial's PyTorch `state_dict`, as `readSafetensors` gives it.
 * @param tensors float32 values by the tutorial's names, in PyTorch's layout; `module.`, `_orig_mod.`, `ema_model.` and
 * `model.` before all
 *   of the names are passed over
 * @throws Error that names tensors that are missing, unexpected or misshapen.
 */
export function loadTorchStateDict(unet: Unet, tensors: ReadonlyMap<string, TensorValues>): void {
  loadTorchTensors(unet, unwrapped(tensors), unetTorchName);
}

/**
 * The U-Net's weights as the tutorial's PyTorch `state_dict`, for `writeSafetensors` and `load_state_dict`: what
 * `loadTorchStateDict` takes, to the bit.
 * @returns float32 values by the tutorial's names, in PyTorch's layout
 */
export function toTorchStateDict(unet: Unet): Promise<Map<string, TensorValues>> {
  return toTorchTensors(unet, unetTorchName);
}

/**
 * The options of the U-Net whose `state_dict` this is (its names as `loadTorchStateDict` takes them), as far as the
 * shapes tell: not the groups of ResNet blocks, for which the default stays.
 * @throws Error if the names or shapes are not those of the tutorial's U-Net
 */
export function unetOptionsFromTorch(
  stateDict: ReadonlyMap<string, { readonly shape: readonly number[] }>,
): UnetOptions & { channels: number } {
  const tensors = unwrapped(stateDict);
  const axis = (name: string, i: number): number => {
    const size = tensors.get(name)?.shape[i];
    if (size === undefined) throw new Error(`this is no state_dict of the tutorial's U-Net: ${name} is missing`);
    return size;
  };
  const useConvnext = tensors.has('downs.0.0.ds_conv.weight');
  const width = (level: number) =>
    axis(useConvnext ? `downs.${level}.0.net.4.weight` : `downs.${level}.0.block1.proj.weight`, 0);
  const dim = width(0);
  const dimMults: number[] = [];
  while (tensors.has(`downs.${dimMults.length}.2.fn.norm.weight`)) {
    dimMults.push(width(dimMults.length) / dim);
  }
  return {
    dim,
    initDim: axis('init_conv.weight', 0),
    channels: axis('init_conv.weight', 1),
    outDim: axis('final_conv.1.weight', 0),
    dimMults,
    withTimeEmb: tensors.has('time_mlp.1.weight'),
    useConvnext,
    ...(tensors.has('class_embedding.weight') && { classes: axis('class_embedding.weight', 0) - 1 }),
    ...(useConvnext && { convnextMult: axis('downs.0.0.net.1.weight', 0) / dim }),
  };
}
