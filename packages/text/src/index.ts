import type { Clip } from './clip';
import type { ClipOptions } from './clip-network';
import { createClip } from './clip-network';

export { Bert, bertFromTensors } from './bert';
export type { BertOptions } from './bert';
export { withCaptionDropout } from './caption-dropout';
export { Clip, contrastive, contrastiveLoss } from './clip';
export type { ImageEncoder, TextEncoder } from './clip';
export { clipGradient } from './clip-gradient';
export { createClip } from './clip-network';
export type { ClipOptions } from './clip-network';
export { ClipText, clipTextFromConfig, clipTextTorchName, toClipText } from './clip-text';
export type { ClipTextConfig } from './clip-text';
export { clipTokenizer } from './clip-tokenizer';
export type { ClipTokenizer, ClipTokenizerFiles } from './clip-tokenizer';
export { DiffusionPrior, nearestToText } from './diffusion-prior';
export type { DiffusionPriorOptions } from './diffusion-prior';
export { embeddingImages, withClipVectors, withImageEmbeddings } from './image-embeddings';
export type { FrozenClip } from './image-embeddings';
export { frozenText } from './frozen-text';
export type { FrozenText, FrozenTextFiles } from './frozen-text';
export { loadGlideText } from './glide';
export { withTextDropout } from './text-dropout';
export { TextTransformer } from './text-transformer';
export type { EncodedText, TextTransformerOptions } from './text-transformer';
export { tokenizerFromJson } from './tokenizer';
export type { Tokenizer, TokenizerJson } from './tokenizer';
export { TransformerBlock } from './transformer-block';
export type { TransformerBlockOptions } from './transformer-block';
export { VisionTransformer } from './vision-transformer';
export type { VisionTransformerOptions } from './vision-transformer';
export { trainBytePairs, trainWords } from './vocabulary';
export type { VocabularyOptions } from './vocabulary';

/**
 * A network package's default export makes its network from options: `ddpm-train --task clip --network-options
 * '{"width": 128}'`. The trainer gives the images' `channels` and `imageSize`, the sizes of the vocabulary and of
 * captions, and the `seed`.
 */
export default function createNetwork(options: ClipOptions): Clip {
  return createClip(options);
}
