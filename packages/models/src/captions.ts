import { tokenizerFromJson } from '@ddpm/text';
import type { Batch } from '@ddpm/train';
import type { CaptionMeaning } from './meaning';

/** The condition `tokens` of so many images: these captions in turn. */
export function captionTokens(
  { tokenizer: json, length }: Pick<CaptionMeaning, 'tokenizer' | 'length'>,
  captions: readonly string[],
  count = captions.length,
): Batch {
  if (captions.length === 0) throw new RangeError('captionTokens: expected at least one caption, got none');
  const tokenizer = tokenizerFromJson(json, { length });
  const ids = captions.map((caption) => tokenizer.encode(caption));
  const data = new Int32Array(count * length);
  for (let i = 0; i < count; i++) data.set(ids[i % ids.length], i * length);
  return { tokens: { data, item: [length] } };
}
