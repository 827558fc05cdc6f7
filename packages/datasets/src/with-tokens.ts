import type { CaptionEncoder, Dataset, Tokenizer } from './dataset';
import { subset } from './subset';

/**
 * The same dataset, whose examples have the field `tokens`: one of an image's captions, as ids.
 * @throws RangeError if its images have no captions
 */
export function withTokens(dataset: Dataset, tokenizer: Tokenizer): Dataset {
  if (!dataset.captions) throw new RangeError('withTokens: the dataset has no captions to make tokens of');
  return { ...subset(dataset, 0, dataset.size), tokenizer };
}

/**
 * The same dataset, whose examples have the fields `text` and `present`: what an encoder says of one of an image's captions.
 * @throws RangeError if its images have no captions
 */
export function withEncodedCaptions(dataset: Dataset, captionEncoder: CaptionEncoder): Dataset {
  if (!dataset.captions) throw new RangeError('withEncodedCaptions: the dataset has no captions to encode');
  return { ...subset(dataset, 0, dataset.size), captionEncoder };
}
