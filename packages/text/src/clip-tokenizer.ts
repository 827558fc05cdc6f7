import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import type { Tokenizer, TokenizerJson } from './tokenizer';

/**
 * The files of a `tokenizer/` folder of transformers' `CLIPTokenizer`: a `tokenizer.json`, or a vocabulary and merges.
 */
export interface ClipTokenizerFiles {
  /** `tokenizer.json`. */
  readonly tokenizer?: TokenizerJson;
  /** `vocab.json`: ids by piece. */
  readonly vocab?: Readonly<Record<string, unknown>>;
  /** `merges.txt`. */
  readonly merges?: string;
  /** `tokenizer_config.json`. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** `special_tokens_map.json`, which says of special tokens what the config does not. */
  readonly specialTokens?: Readonly<Record<string, unknown>>;
}

/** CLIP's tokenizer. */
export interface ClipTokenizer extends Tokenizer {
  /** The end of a caption that is too long to be encoded, such as 'on a hill'; '' if there is none. */
  cut(caption: string): string;
}

/** Where nothing says otherwise. */
const LENGTH = 77;
/** transformers says so where there is no limit. */
const NO_LIMIT = 1e6;

/**
 * CLIP's tokenizer (Radford et al. 2021): small letters, pieces of words, a start and an end. Captions are cut to
 * `model_max_length` (77), the end included, and filled up with the padding token: the end again, or what the files say.
 * @throws Error in one line that says what the files lack, or is wrong with them
 */
export function clipTokenizer(files: ClipTokenizerFiles): ClipTokenizer {
  const { config = {}, specialTokens = {} } = files;
  const special = (name: string, fallback: string) => {
    const value = config[name] ?? specialTokens[name] ?? fallback;
    return typeof value === 'string' ? value : String((value as { content?: unknown }).content);
  };
  const [start, end] = [special('bos_token', '<|startoftext|>'), special('eos_token', '<|endoftext|>')];
  const unknown = special('unk_token', '<|endoftext|>');
  const filler = special('pad_token', end);
  const json = withSpecial(files.tokenizer ?? tokenizerOf(files, { start, end, unknown }), [
    start,
    end,
    unknown,
    filler,
  ]);
  const asked = Number(config.model_max_length ?? LENGTH);
  const length = asked > NO_LIMIT ? LENGTH : asked;
  let tokenizer: HuggingFaceTokenizer;
  try {
    // What it would cut and pad by itself is done here.
    tokenizer = new HuggingFaceTokenizer({ ...json, truncation: null, padding: null }, {});
  } catch (error) {
    throw new Error(`clipTokenizer: this is not a tokenizer.json (${(error as Error).message.split('\n')[0]})`, {
      cause: error,
    });
  }
  const vocabulary = tokenizer.get_vocab();
  const idOf = (token: string) => {
    const id = vocabulary.get(token);
    if (id === undefined) throw new Error(`clipTokenizer: the vocabulary has no ${JSON.stringify(token)}`);
    return id;
  };
  if (!Number.isInteger(length) || length < 2)
    throw new RangeError(`clipTokenizer: model_max_length must be a whole number of at least 2, got ${asked}`);
  const padding = idOf(filler);
  const last = idOf(end);
  return {
    length,
    vocabularySize: 1 + Math.max(...vocabulary.values()),
    json: { ...json, padding: { ...fixedPadding, strategy: { Fixed: length }, pad_id: padding, pad_token: filler } },
    encode(caption) {
      const { ids } = tokenizer.encode(caption);
      const out = new Int32Array(length).fill(padding);
      out.set(ids.slice(0, length));
      if (ids.length > length) out[length - 1] = last;
      return out;
    },
    cut(caption) {
      const { ids } = tokenizer.encode(caption);
      if (ids.length <= length) return '';
      // Not the end, which is always there.
      return tokenizer
        .decode(ids.slice(length - 1, -1))
        .replaceAll('</w>', ' ')
        .trim();
    },
  };
}

/** Padding in a `tokenizer.json`: how, beside how long and by what. */
const fixedPadding = { direction: 'Right', pad_to_multiple_of: null, pad_type_id: 0 };

/** How a special token is found in a text. */
const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };

/** With these tokens of the vocabulary as special ones, which are no part of a word wherever they stand. */
function withSpecial(json: TokenizerJson, tokens: readonly string[]): TokenizerJson {
  const { added_tokens: added = [], model } = json as {
    added_tokens?: readonly { readonly content: string }[];
    model?: { readonly vocab?: Readonly<Record<string, number>> };
  };
  const known = new Set(added.map(({ content }) => content));
  const missing = [...new Set(tokens)].flatMap((content) => {
    const id = known.has(content) ? undefined : model?.vocab?.[content];
    return id === undefined ? [] : [{ id, content, ...flags }];
  });
  return { ...json, added_tokens: [...added, ...missing] };
}

/** The `tokenizer.json` that transformers makes of the two files of before there was one. */
function tokenizerOf(
  { vocab, merges }: ClipTokenizerFiles,
  { start, end, unknown }: { start: string; end: string; unknown: string },
): TokenizerJson {
  if (!vocab || merges === undefined)
    throw new Error('clipTokenizer: expected a tokenizer.json, or a vocab.json and a merges.txt');
  const idOf = (token: string) => {
    if (!Number.isInteger(vocab[token])) throw new Error(`clipTokenizer: vocab.json has no ${JSON.stringify(token)}`);
    return vocab[token] as number;
  };
  const pairs = merges.split(/\r?\n/).filter((line) => line !== '' && !line.startsWith('#version'));
  const pieces = "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'NFC' },
        { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' },
        { type: 'Lowercase' },
      ],
    },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        {
          type: 'Split',
          pattern: { Regex: `<\\|startoftext\\|>|<\\|endoftext\\|>|${pieces}` },
          behavior: 'Removed',
          invert: true,
        },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
      ],
    },
    post_processor: {
      type: 'RobertaProcessing',
      ...{ sep: [end, idOf(end)], cls: [start, idOf(start)] },
      ...{ trim_offsets: false, add_prefix_space: false },
    },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      ...{ dropout: null, unk_token: unknown, continuing_subword_prefix: '', end_of_word_suffix: '</w>' },
      ...{ fuse_unk: false, byte_fallback: false, ignore_merges: false, vocab, merges: pairs },
    },
  };
}
