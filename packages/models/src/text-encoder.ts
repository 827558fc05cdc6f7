import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { reason } from '@ddpm/checkpoint';
import type { CaptionEncoder } from '@ddpm/datasets';
import type { Execution } from '@ddpm/execution';
import type { TensorValues } from '@ddpm/layers';
import { disposeParameters } from '@ddpm/layers';
import { readSafetensors } from '@ddpm/safetensors';
import type { TokenizerJson } from '@ddpm/text';
import { frozenText } from '@ddpm/text';
import type { Batch } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs-core';
import type { DenoiserMeaning } from './meaning';

/** So much is kept of captions, in bytes; then the oldest go. */
const KEPT = 2 ** 29;
/** Captions that are encoded at a time. */
const TOGETHER = 32;
/** Behind a caption's tokens. */
const PADDING = 0;

/** A text encoder that is not trained, ready to say something of captions. */
export interface TextEncoder extends CaptionEncoder {
  /** The SHA-256 of its weights and its tokenizer. */
  readonly sha256: string;
  /** `text` and `present` of captions, in turn for so many images. */
  condition(captions: readonly string[], count?: number): Promise<Batch>;
  /** Frees what runs it. */
  dispose(): Promise<void>;
}

/**
 * Opens the text encoder in a folder as Hugging Face has them, of BERT's kind: `config.json`, `tokenizer.json`,
 * `model.safetensors`. Each caption is encoded once, those that are asked for at the same time together, and kept in memory.
 * @param options.length tokens of each caption, padding included
 * @throws Error in one line that names the folder, and the file or what of it is not as expected
 */
export async function openTextEncoder(
  folder: string,
  { length, execution }: { length: number; execution: Execution },
): Promise<TextEncoder> {
  const fail = (error: unknown): never => {
    throw new Error(`${folder} is no text encoder that can be used: ${(error as Error).message}`, { cause: error });
  };
  const read = (name: string) =>
    readFile(join(folder, name)).catch((error: unknown) => fail(new Error(`${name} cannot be read: ${reason(error)}`)));
  const [config, tokenizer, weights] = [
    await read('config.json'),
    await read('tokenizer.json'),
    await read('model.safetensors'),
  ];
  const open = () => {
    const json = (bytes: Uint8Array) => JSON.parse(new TextDecoder().decode(bytes)) as TokenizerJson;
    return frozenText({ config: json(config), tokenizer: json(tokenizer), tensors: tensorsOf(weights) }, { length });
  };
  const frozen = await Promise.resolve().then(open).catch(fail);
  const { network, tokenizer: toTokens, features } = frozen;
  const example = tf.zeros<tf.Rank.R2>([1, length], 'int32');
  const run = await execution.compile((tokens: tf.Tensor2D) => network.apply(tokens).sequence, [example]);
  example.dispose();
  /** The features of so many captions, one after the other. */
  const encode = async (captions: readonly Int32Array[]): Promise<Float32Array> => {
    const ids = new Int32Array(captions.length * length);
    captions.forEach((each, i) => ids.set(each, i * length));
    const tokens = tf.tensor2d(ids, [captions.length, length], 'int32');
    const sequence = await run(tokens).finally(() => tokens.dispose());
    return sequence.data<'float32'>().finally(() => sequence.dispose());
  };
  /** The features of the tokens of captions, or the promise of them; those that were asked for first come first. */
  const kept = new Map<string, Float32Array | Promise<Float32Array>>();
  let bytes = 0;
  const keep = (caption: string, values: Float32Array) => {
    kept.set(caption, values);
    bytes += values.byteLength;
    for (const [oldest, each] of kept) {
      if (bytes <= KEPT) break;
      if (each instanceof Promise) continue;
      kept.delete(oldest);
      bytes -= each.byteLength;
    }
  };
  const said = together(TOGETHER, async (captions: readonly string[]) => {
    const ids = captions.map((caption) => toTokens.encode(caption));
    const values = await encode(ids);
    return captions.map((caption, i) => {
      const tokens = ids[i].filter((id) => id !== PADDING).length;
      const own = values.slice(i * length * features, (i * length + tokens) * features);
      keep(caption, own);
      return own;
    });
  });
  const encoder: TextEncoder = {
    ...{ length, features },
    sha256: createHash('sha256').update(weights).update(tokenizer).digest('hex'),
    async read(caption) {
      const known = kept.get(caption);
      const soon = known ?? said(caption);
      if (!known) kept.set(caption, soon);
      let values: Float32Array;
      try {
        values = await soon;
      } catch (error) {
        kept.delete(caption);
        throw error;
      }
      const [text, present] = [new Float32Array(length * features), new Float32Array(length)];
      text.set(values);
      present.fill(1, 0, values.length / features);
      return { text, present };
    },
    async condition(captions, count = captions.length) {
      if (captions.length === 0) throw new RangeError('condition: expected at least one caption, got none');
      const all = await Promise.all(captions.map((caption) => encoder.read(caption)));
      const [text, present] = [new Float32Array(count * length * features), new Float32Array(count * length)];
      for (let i = 0; i < count; i++) {
        const one = all[i % all.length];
        text.set(one.text, i * length * features);
        present.set(one.present, i * length);
      }
      return { text: { data: text, item: [length, features] }, present: { data: present, item: [length] } };
    },
    async dispose() {
      await run.dispose();
      disposeParameters(network);
    },
  };
  return encoder;
}

/** A function of one of many, whose calls of the same moment are done together, at most so many at a time. */
function together<T, R>(most: number, work: (all: readonly T[]) => Promise<readonly R[]>): (one: T) => Promise<R> {
  type Waiting = { readonly one: T; readonly resolve: (result: R) => void; readonly reject: (error: unknown) => void };
  let waiting: Waiting[] = [];
  let running = false;
  const drain = async () => {
    while (waiting.length > 0) {
      const [now, later] = [waiting.slice(0, most), waiting.slice(most)];
      waiting = later;
      try {
        const results = await work(now.map(({ one }) => one));
        now.forEach(({ resolve }, i) => resolve(results[i]));
      } catch (error) {
        for (const { reject } of now) reject(error);
      }
    }
    running = false;
  };
  return (one) =>
    new Promise<R>((resolve, reject) => {
      waiting.push({ one, resolve, reject });
      if (running) return;
      running = true;
      queueMicrotask(() => void drain());
    });
}

/** @throws Error if a tensor is not float32 */
function tensorsOf(bytes: Uint8Array): Map<string, TensorValues> {
  const { tensors } = readSafetensors(bytes);
  return new Map(
    [...tensors]
      // Ids of positions are stored too.
      .filter(([name]) => !name.endsWith('position_ids'))
      .map(([name, { shape, data }]) => {
        if (!(data instanceof Float32Array)) throw new Error(`its tensor ${name} is not float32`);
        return [name, { shape, data }];
      }),
  );
}

/**
 * A denoiser with the text encoder that it was trained with; as it is, where it has none.
 * @param options.folder where that lies, if not where it lay in training
 * @throws Error in one line if it is not there, or another
 */
export async function withTextEncoder<D extends Pick<DenoiserMeaning, 'text'>>(
  denoiser: D,
  { execution, folder = denoiser.text?.folder }: { execution: Execution; folder?: string },
): Promise<D & { readonly textEncoder?: TextEncoder }> {
  if (!denoiser.text || folder === undefined) return denoiser;
  const { length, sha256 } = denoiser.text;
  const encoder = await openTextEncoder(folder, { length, execution });
  if (encoder.sha256 !== sha256) {
    await encoder.dispose();
    throw new Error(`${folder} is another text encoder than the one that the model was trained with`);
  }
  return { ...denoiser, textEncoder: encoder };
}
