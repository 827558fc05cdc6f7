import type { TensorValues } from '@ddpm/layers';
import { loadTorchTensors, torchName } from '@ddpm/layers';
import type { Unet } from './unet';

const levelParts = ['block1', 'block2', 'attention', '(?:down|up)sample'];

/** The tutorial's `state_dict` name of the U-Net's parameter at a path: `downs.0.block1.conv1.weight` → `downs.0.0.net.1.weight`. */
export function unetTorchName(path: string): string {
  const positional = levelParts
    .reduce((name, part, i) => name.replace(new RegExp(`^((?:down|up)s\\.\\d+)\\.${part}\\.`), `$1.${i}.`), path)
    .replace('timeMlp.linear1', 'time_mlp.1')
    .replace('timeMlp.linear2', 'time_mlp.3')
    .replace('finalBlock', 'final_conv.0')
    .replace('finalConv', 'final_conv.1');
  return torchName(positional);
}

/**
 * Sets the U-Net's weights, all or none, from the tutorial's PyTorch `state_dict`, as `readSafetensors` gives it.
 * @param tensors float32 values by the tutorial's names, in PyTorch's layout
 * @throws Error that lists every tensor that is missing, unexpected or misshapen.
 */
export function loadTorchStateDict(unet: Unet, tensors: ReadonlyMap<string, TensorValues>): void {
  loadTorchTensors(unet, tensors, unetTorchName);
}
