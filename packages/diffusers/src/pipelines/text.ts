import type { JsonObject } from '@ddpm/checkpoint';
import type { ClipText, ClipTokenizer, ClipTokenizerFiles } from '@ddpm/text';
import { clipTextFromConfig, clipTokenizer } from '@ddpm/text';
import * as tf from '@tensorflow/tfjs-core';
import type { PipelineFiles } from './files';
import type { Compiler } from './runner';
import { disposeAll, runner } from './runner';

/** The text encoder of a U-Net, with its tokenizer. */
export interface PipelineText {
  readonly tokenizer: ClipTokenizer;
  readonly encoder: ClipText;
  /** Its `config.json`. */
  readonly config: JsonObject;
  /** The tokenizer's files. */
  readonly files: ClipTokenizerFiles;
  /** Captions as the U-Net's `context`, [as many, length, width]. */
  readonly embed: (captions: readonly string[]) => Promise<tf.Tensor3D>;
  /** Frees what runs the encoder, and its weights. */
  readonly dispose: () => Promise<void>;
}

/** @throws Error in one line that says what of the files is wrong, or does not fit together */
export function textOf({ config, tensors, tokenizer: files }: NonNullable<PipelineFiles['text']>, compiler?: Compiler) {
  const tokenizer = clipTokenizer(files);
  const encoder = clipTextFromConfig(config, tensors);
  const [vocabulary] = encoder.tokenEmbedding.weight.shape;
  if (tokenizer.length > encoder.length || tokenizer.vocabularySize > vocabulary) {
    disposeAll(encoder);
    throw new Error(
      `the tokenizer makes ${tokenizer.length} ids of ${tokenizer.vocabularySize}, and the text encoder takes ${encoder.length} of ${vocabulary}`,
    );
  }
  const { run, dispose } = runner(encoder, (tokens: tf.Tensor2D) => encoder.apply(tokens).sequence, compiler);
  const text: PipelineText = {
    ...{ tokenizer, encoder, config, files },
    async embed(captions) {
      const ids = new Int32Array(captions.length * tokenizer.length);
      captions.forEach((caption, i) => ids.set(tokenizer.encode(caption), i * tokenizer.length));
      const tokens = tf.tensor2d(ids, [captions.length, tokenizer.length], 'int32');
      try {
        return await run(tokens);
      } finally {
        tokens.dispose();
      }
    },
    async dispose() {
      disposeAll(encoder);
      await dispose();
    },
  };
  return text;
}
