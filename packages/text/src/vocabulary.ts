import type { Tokenizer, TokenizerJson } from './tokenizer';
import { tokenizerFromJson } from './tokenizer';

/** Padding, the end of a caption, and a word that was not among those that were counted: the ids 0, 1 and 2. */
const SPECIAL = ['[PAD]', '[END]', '[UNK]'];
/** Marks the last piece of a word. */
const END_OF_WORD = '</w>';

/** How large a vocabulary is. */
export interface VocabularyOptions {
  /** Tokens of each caption, padding included. */
  length: number;
  /** At most so many ids, with those of padding, the end, and what is unknown; 4,096 by default. */
  size?: number;
}

/** The words of a caption: small letters and digits, whatever stands between them. */
const wordsOf = (caption: string) => caption.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];

/**
 * A tokenizer of the words of these captions, the most frequent first; others are one unknown word.
 * @throws RangeError unless size is a whole number of more than 3
 */
export function trainWords(captions: Iterable<string>, { length, size = 4096 }: VocabularyOptions): Tokenizer {
  checkSize('trainWords', size);
  const words = [...countWords(captions).keys()].slice(0, size - SPECIAL.length);
  // Pieces of words that no vocabulary has are none, so that these are whole words.
  const model = { type: 'WordPiece', continuing_subword_prefix: '##', max_input_chars_per_word: 100 };
  return tokenizerFromJson(toJson({ ...model, vocab: numbered(words), unk_token: SPECIAL[2] }), { length });
}

/**
 * A tokenizer of pieces of words (Sennrich et al. 2016): the letters of these captions, and then, as long as there is
 * room, the pair of neighbours that is most frequent. Words that the captions lack become pieces too.
 * @throws RangeError unless size is a whole number of more than 3
 */
export function trainBytePairs(captions: Iterable<string>, { length, size = 4096 }: VocabularyOptions): Tokenizer {
  checkSize('trainBytePairs', size);
  const words = [...countWords(captions)].map(([word, count]) => {
    const letters = [...word];
    letters.push(`${letters.pop()}${END_OF_WORD}`);
    return { pieces: letters, count };
  });
  const letters = new Set(words.flatMap(({ pieces }) => pieces.flatMap((piece) => variants(piece))));
  const pieces = [...letters].sort();
  const merges: [string, string][] = [];
  while (pieces.length + SPECIAL.length < size) {
    const best = mostFrequentPair(words);
    if (!best) break;
    merges.push(best);
    pieces.push(best.join(''));
    for (const word of words) word.pieces = merge(word.pieces, best);
  }
  const model = { type: 'BPE', dropout: null, continuing_subword_prefix: null, end_of_word_suffix: END_OF_WORD };
  const rules = { fuse_unk: true, byte_fallback: false, merges: merges.map((pair) => pair.join(' ')) };
  return tokenizerFromJson(toJson({ ...model, ...rules, vocab: numbered(pieces), unk_token: SPECIAL[2] }), { length });
}

/** A letter inside of a word, and at its end. */
function variants(piece: string): string[] {
  const letter = piece.replace(END_OF_WORD, '');
  return [letter, `${letter}${END_OF_WORD}`];
}

/** How often each word occurs, from the most frequent on; as often as another, by the alphabet. */
function countWords(captions: Iterable<string>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const caption of captions) for (const word of wordsOf(caption)) counts.set(word, (counts.get(word) ?? 0) + 1);
  return new Map([...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)));
}

function mostFrequentPair(
  words: readonly { pieces: readonly string[]; count: number }[],
): [string, string] | undefined {
  const counts = new Map<string, number>();
  for (const { pieces, count } of words) {
    for (let i = 1; i < pieces.length; i++) {
      const pair = `${pieces[i - 1]} ${pieces[i]}`;
      counts.set(pair, (counts.get(pair) ?? 0) + count);
    }
  }
  const [best] = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
  return best?.[0].split(' ') as [string, string] | undefined;
}

function merge(pieces: readonly string[], [first, second]: readonly [string, string]): string[] {
  const out: string[] = [];
  for (let i = 0; i < pieces.length; i++) {
    const both = pieces[i] === first && pieces[i + 1] === second;
    out.push(both ? `${first}${second}` : pieces[i]);
    if (both) i++;
  }
  return out;
}

const numbered = (words: readonly string[]) => Object.fromEntries([...SPECIAL, ...words].map((word, id) => [word, id]));

/** A `tokenizer.json` that makes words as `wordsOf` does, and puts the end behind them. */
function toJson(model: Readonly<Record<string, unknown>>): TokenizerJson {
  const added = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const [, end] = SPECIAL;
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: SPECIAL.map((content, id) => ({ id, content, ...added })),
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Lowercase' },
        { type: 'Replace', pattern: { Regex: '[^\\p{L}\\p{N}]+' }, content: ' ' },
        { type: 'Strip', strip_left: true, strip_right: true },
      ],
    },
    pre_tokenizer: { type: 'WhitespaceSplit' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ Sequence: { id: 'A', type_id: 0 } }, { SpecialToken: { id: end, type_id: 0 } }],
      pair: [
        { Sequence: { id: 'A', type_id: 0 } },
        { Sequence: { id: 'B', type_id: 0 } },
        { SpecialToken: { id: end, type_id: 0 } },
      ],
      special_tokens: { [end]: { id: end, ids: [1], tokens: [end] } },
    },
    decoder: null,
    model,
  };
}

function checkSize(who: string, size: number): void {
  if (!Number.isSafeInteger(size) || size <= SPECIAL.length)
    throw new RangeError(`${who}: size must be a whole number of more than ${SPECIAL.length}, got ${size}`);
}
