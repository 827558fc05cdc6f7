import { tokenizerFromJson } from '@ddpm/text';
import type { Batch } from '@ddpm/train';
import type { Denoiser } from './load-denoiser';
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

/** How a denoiser is told captions. */
export interface CaptionConditions {
  /** How often training left the caption out; above 0, the network can do without, which guidance needs. */
  readonly dropout: number;
  /** Its conditions for these captions, in turn for so many images. */
  condition(captions: readonly string[], count?: number): Promise<Batch>;
}

/**
 * How a denoiser is told captions, as tokens or by its text encoder; undefined where it is told none.
 * @throws Error in one line if it does not say how captions become tokens, or its encoder has not been opened
 */
export function captionConditions({
  network: { conditions = [] },
  captions,
  text,
  textEncoder,
}: Pick<Denoiser, 'network' | 'captions' | 'text' | 'textEncoder'>): CaptionConditions | undefined {
  if (conditions.includes('tokens')) {
    if (!captions) throw new Error("the model takes the condition 'tokens', but does not say how captions become some");
    // eslint-disable-next-line @typescript-eslint/require-await -- what is refused is to be a rejection
    return { dropout: captions.dropout, condition: async (...given) => captionTokens(captions, ...given) };
  }
  if (!conditions.includes('text')) return undefined;
  if (!text) throw new Error("the model takes the condition 'text', but does not say which encoder that is of");
  if (!textEncoder) throw new Error(`the model needs the text encoder of ${text.folder}, which has not been opened`);
  return { dropout: text.dropout, condition: (...given) => textEncoder.condition(...given) };
}
