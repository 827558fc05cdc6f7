import { Unet2d, Unet2dCondition, unet2dNames } from '@ddpm/adm';
import type { TensorValues } from '@ddpm/layers';
import type { Lora, LoraNames } from '@ddpm/lora';
import { lora, mergeLora } from '@ddpm/lora';
import { Random } from '@ddpm/random';
import { ClipText, clipTextTorchName } from '@ddpm/text';
import * as tf from '@tensorflow/tfjs-core';

/**
 * How a network's layers are called in a LoRA file: by diffusers' names where it is one of diffusers', or else our own. Of
 * a Stable Diffusion, an object with the fields `unet` and `text`, each layer is that of its part.
 */
export function loraNames(network: object): LoraNames {
  const { unet = network, text } = network as { readonly unet?: object; readonly text?: object };
  if (!(unet instanceof Unet2d || unet instanceof Unet2dCondition)) return {};
  const names = unet2dNames(unet);
  if (!(text instanceof ClipText)) return { nameOf: (path) => names.get(path)! };
  const isText = (path: string) => path.startsWith('text.');
  return {
    nameOf: (path) => (isText(path) ? clipTextTorchName(path.slice(5)) : names.get(path.replace(/^unet\./, ''))!),
    part: (path) => (isText(path) ? 'text_encoder' : 'unet'),
  };
}

/**
 * Adds the updates of a checkpoint to its network.
 * @param alpha what they count, as its meaning says
 * @throws RangeError if they are not those of the network
 */
export function mergeUpdates(
  network: object,
  weights: ReadonlyMap<string, TensorValues>,
  { alpha }: { alpha: number },
): void {
  const paths = new Set(
    [...weights.keys()].map((name) => /^lora\.(.*)\.down$/.exec(name)?.[1]).filter((path) => path !== undefined),
  );
  const [first] = paths;
  if (first === undefined) return;
  const [rank] = weights.get(`lora.${first}.down`)!.shape;
  const updates: Lora = lora(network, { rank, alpha, layers: (path) => paths.has(path), rng: new Random(0) });
  try {
    for (const [path, { down, up }] of updates)
      for (const [variable, name] of [
        [down, `lora.${path}.down`],
        [up, `lora.${path}.up`],
      ] as const)
        tf.tidy(() => variable.assign(tf.tensor(weights.get(name)!.data, variable.shape)));
    mergeLora(network, [{ lora: updates }]);
  } finally {
    for (const { down, up } of updates.values()) tf.dispose([down, up]);
  }
}
