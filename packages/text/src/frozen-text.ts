import type { TensorValues } from '@ddpm/layers';
import type { Bert } from './bert';
import { bertFromTensors } from './bert';
import type { Tokenizer, TokenizerJson } from './tokenizer';
import { tokenizerFromJson } from './tokenizer';

/** The files of a text encoder, as Hugging Face has them: all-MiniLM-L6-v2, for example. */
export interface FrozenTextFiles {
  /** The content of `config.json`. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The content of `tokenizer.json`. */
  readonly tokenizer: TokenizerJson;
  /** The tensors of `model.safetensors`, float32. */
  readonly tensors: ReadonlyMap<string, TensorValues>;
}

/** A text encoder that is not trained. */
export interface FrozenText {
  readonly network: Bert;
  readonly tokenizer: Tokenizer;
  /** Features of each position. */
  readonly features: number;
}

/** The options of `Bert`, by the names of `config.json`, with the values of files that leave them out. */
const EXPECTED = { model_type: 'bert', hidden_act: 'gelu', position_embedding_type: 'absolute', layer_norm_eps: 1e-12 };

/**
 * A text encoder of BERT's kind from its files.
 * @param options.length tokens of each caption, padding included
 * @throws Error in one line that says what of the files is not as expected; RangeError if it has fewer positions
 */
export function frozenText(
  { config, tokenizer, tensors }: FrozenTextFiles,
  { length }: { length: number },
): FrozenText {
  for (const [name, expected] of Object.entries(EXPECTED)) {
    const found = config[name] ?? expected;
    if (found !== expected)
      throw new Error(`its config.json says ${name} ${JSON.stringify(found)}, where only ${expected} is known`);
  }
  const heads = config.num_attention_heads;
  if (!Number.isInteger(heads)) throw new Error('its config.json has no num_attention_heads');
  const made = tokenizerFromJson(tokenizer, { length });
  const network = bertFromTensors(tensors, { heads: heads as number });
  const [positions, features] = network.places.weight.shape;
  if (length > positions)
    throw new RangeError(`frozenText: the encoder has ${positions} positions, fewer than captions of ${length} tokens`);
  return { network, tokenizer: made, features };
}
