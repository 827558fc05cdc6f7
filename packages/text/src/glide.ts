import type { TensorValues } from '@ddpm/layers';
import { loadTorchTensors } from '@ddpm/layers';
import { splitQkv } from './split-qkv';
import type { TextTransformer } from './text-transformer';

/** Our fields' names in glide-text2im's `Text2ImUNet`, in the order in which they are replaced. */
const NAMES: readonly (readonly [ours: RegExp, theirs: string])[] = [
  [/^(token)Embedding/, '$1_embedding'],
  [/^(positional|padding)Embedding\.weight$/, '$1_embedding'],
  [/^blocks\./, 'transformer.resblocks.'],
  [/\.norm(\d)\./, '.ln_$1.'],
  [/\.attention\.toOut\./, '.attn.c_proj.'],
  [/\.attention\.to([QKV])\./, '.attn.$1.'],
  [/\.linear1\./, '.mlp.c_fc.'],
  [/\.linear2\./, '.mlp.c_proj.'],
  [/^finalNorm/, 'final_ln'],
  [/^projection/, 'transformer_proj'],
];

/** The name of a field of a `TextTransformer` in glide-text2im. */
const nameOf = (path: string) => NAMES.reduce((name, [ours, theirs]) => name.replace(ours, theirs), path);

/**
 * Gives a text transformer the weights of glide-text2im's `Text2ImUNet`, whose U-Net has tensors of its own.
 * @param tensors its `state_dict`, or the part of it that is the text transformer
 * @returns those that are not the text transformer's
 * @throws Error that names tensors that are missing or misshapen.
 */
export function loadGlideText(
  text: TextTransformer,
  tensors: ReadonlyMap<string, TensorValues>,
): Map<string, TensorValues> {
  const own = /^(token_embedding|positional_embedding|padding_embedding|transformer|final_ln|transformer_proj)\b/;
  const ours = new Map<string, TensorValues>();
  const others = new Map<string, TensorValues>();
  for (const [name, tensor] of tensors) {
    if (!own.test(name)) others.set(name, tensor);
    else if (!name.includes('.c_qkv.')) ours.set(name, tensor);
    else {
      const heads = text.blocks[0].attention.heads;
      const parts = splitQkv(tensor, heads);
      ['Q', 'K', 'V'].forEach((part, i) => ours.set(name.replace('c_qkv', part), parts[i]));
    }
  }
  loadTorchTensors(text, ours, nameOf);
  return others;
}
