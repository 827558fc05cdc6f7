import type { SettingsOf } from '@ddpm/app-common';
import { fraction, number, oneOf, wholeNumber } from '@ddpm/app-common';
import type { JsonObject } from '@ddpm/checkpoint';
import type { Dataset } from '@ddpm/datasets';
import { captionTokens } from '@ddpm/models';
import type { Tokenizer } from '@ddpm/text';
import { trainBytePairs, trainWords, withCaptionDropout } from '@ddpm/text';
import type { Telling } from './telling';

/** As many images' captions make the vocabulary. */
const COUNTED = 10_000;

/** How a vocabulary is made of captions, by the names that the command line gives. */
const vocabularies = { words: trainWords, 'byte-pairs': trainBytePairs };

/** Options of what is trained with captions. */
export const captionOptions = {
  vocabulary: {
    flag: '--vocabulary <name>',
    does: 'what tokens are: words of the captions, or byte-pairs, pieces of them',
    schema: oneOf(Object.keys(vocabularies) as (keyof typeof vocabularies)[]),
  },
  vocabularySize: {
    flag: '--vocabulary-size <n>',
    does: 'how many tokens there are at most',
    schema: wholeNumber(4),
    read: number,
  },
  captionLength: {
    flag: '--caption-length <tokens>',
    does: 'tokens of a caption; what is longer is cut',
    schema: wholeNumber(2),
    read: number,
  },
} as const;
/** How often captions are left out. */
export const captionDropout = {
  flag: '--caption-dropout <share>',
  does: 'how often the caption is left out, which guidance needs',
  schema: fraction(),
  read: number,
} as const;

type CaptionSettings = SettingsOf<{ Captions: typeof captionOptions }>;

/** A vocabulary of the dataset's captions. */
export function vocabularyOf(
  { vocabulary, vocabularySize, captionLength }: CaptionSettings,
  dataset: Dataset,
): Tokenizer {
  function* all() {
    const { size } = dataset;
    const n = Math.min(size, COUNTED);
    for (let i = 0; i < n; i++) yield* dataset.captions!(Math.floor((i * size) / n));
  }
  return vocabularies[vocabulary](all(), { size: vocabularySize, length: captionLength });
}

/** Captions as the tokens of a vocabulary, for a network that has a text transformer of its own. */
export function tellTokens(tokenizer: Tokenizer, { dropout }: { dropout: number }): Telling {
  const { length, vocabularySize } = tokenizer;
  const toTokens = { length, tokenizer: tokenizer.json as JsonObject, dropout };
  return {
    options: { vocabularySize, length },
    conditions: ['tokens'],
    condition: (captions) => Promise.resolve(captionTokens(toTokens, captions)),
    dropped: (task) => (dropout > 0 ? withCaptionDropout(task, tokenizer, { probability: dropout }) : task),
    meaning: { captions: toTokens },
    training: { tokenizer },
    says: `told captions of ${length} tokens of ${vocabularySize}`,
    dispose: () => Promise.resolve(),
  };
}
