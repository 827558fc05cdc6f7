import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { PADDING } from './padding';

/** Makes of every caption as many ids. */
export interface Tokenizer {
  /** How many. */
  readonly length: number;
  /** Ids are from 0 to vocabularySize − 1. */
  readonly vocabularySize: number;
  /** Its ids, padded with 0, or what the JSON pads with; of a caption that is too long, the first ones, and the one that marks an end. */
  encode(caption: string): Int32Array;
  /** The JSON that `tokenizerFromJson` makes this of. */
  readonly json: TokenizerJson;
}

/** The content of a `tokenizer.json`, Hugging Face's format. */
export type TokenizerJson = Readonly<Record<string, unknown>>;

/**
 * A tokenizer of a `tokenizer.json`: one of Hugging Face's, or one that `trainWords` or `trainBytePairs` made.
 * @param options.length tokens of each caption, padding included
 * @throws RangeError unless length is a whole number of at least 1; Error, one line, if the JSON is not a tokenizer's
 */
export function tokenizerFromJson(json: TokenizerJson, { length }: { length: number }): Tokenizer {
  if (!Number.isSafeInteger(length) || length < 1)
    throw new RangeError(`tokenizerFromJson: length must be a whole number of at least 1, got ${length}`);
  let tokenizer: HuggingFaceTokenizer;
  let vocabularySize: number;
  const { pad_id: padding = PADDING } = (json.padding ?? {}) as { readonly pad_id?: number };
  try {
    // What it would cut and pad by itself is done here, to one length.
    tokenizer = new HuggingFaceTokenizer({ ...json, truncation: null, padding: null }, {});
    vocabularySize = 1 + Math.max(...tokenizer.get_vocab().values());
  } catch (error) {
    const reason = (error as Error).message.split('\n')[0];
    throw new Error(`tokenizerFromJson: this is not a tokenizer.json (${reason})`, { cause: error });
  }
  return {
    length,
    vocabularySize,
    json,
    encode(caption) {
      const { ids } = tokenizer.encode(caption);
      const out = new Int32Array(length).fill(padding);
      out.set(ids.slice(0, length));
      if (ids.length > length) out[length - 1] = ids.at(-1)!;
      return out;
    },
  };
}
