import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TensorValues } from '@ddpm/layers';
import { disposeParameters } from '@ddpm/layers';
import { readSafetensors } from '@ddpm/safetensors';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { ClipTokenizerFiles } from './index';
import { clipTextFromConfig, clipTokenizer, toClipText } from './index';

// A tiny CLIPTextModel with random weights and its tokenizer, as transformers 5.24 saves and runs them (test/README.md).
const text = (name: string) => readFileSync(join('test', 'clip', name), 'utf8');
const json = (name: string) => JSON.parse(text(name)) as Record<string, unknown>;
const tensors = (name: string) => readSafetensors(readFileSync(join('test', 'clip', name))).tensors;
const weights = tensors('model.safetensors') as ReadonlyMap<string, TensorValues>;
const io = tensors('io.safetensors');
const ids = tf.tensor2d(Int32Array.from(io.get('ids')!.data as Int32Array), [1, 12], 'int32');
const prompt = 'red apple, blue cat';

describe('the text model of CLIP', () => {
  const difference = (ours: tf.Tensor, theirs: TensorValues) =>
    tf.max(tf.abs(tf.sub(ours, tf.tensor(theirs.data, [...theirs.shape])))).dataSync()[0];

  test("gives transformers' hidden states, and that of the first end as its vector", () => {
    const before = tf.memory().numTensors;
    const clip = clipTextFromConfig(json('config.json'), weights);
    tf.tidy(() => {
      const { sequence, pooled } = clip.apply(ids);
      expect(difference(sequence, io.get('embeddings') as unknown as TensorValues)).toBeLessThan(1e-5);
      const end = [...ids.dataSync()].indexOf(526);
      expect([...pooled.dataSync()]).toEqual([...tf.slice(sequence, [0, end, 0], [1, 1, 24]).dataSync()]);
      // A shorter caption's positions do not see what would follow, nor that it is missing.
      const short = clip.apply(tf.slice(ids, [0, 0], [1, 4])).sequence;
      expect(tf.max(tf.abs(tf.sub(short, tf.slice(sequence, [0, 0, 0], [1, 4, 24])))).dataSync()[0]).toBeLessThan(1e-6);
    });
    expect(() => clip.apply(tf.zeros([1, 13], 'int32'))).toThrow('expected tokens [n, 12] or fewer, got [1, 13]');
    disposeParameters(clip);
    expect(tf.memory().numTensors).toBe(before + 1);
  });

  test('takes names with the prefix and without, and gives those with it, to the bit', async () => {
    const prefixed = new Map([...weights].map(([name, { shape, data }]) => [`text_model.${name}`, { shape, data }]));
    const position = { shape: [1, 12], data: new Float32Array(12) };
    const clip = clipTextFromConfig(
      json('config.json'),
      new Map([...prefixed, ['text_model.embeddings.position_ids', position]]),
    );
    const back = await toClipText(clip);
    expect(new Map([...back].sort())).toEqual(new Map([...prefixed].sort()));
    disposeParameters(clip);
  });

  test('with a projection, it is that of the vector', () => {
    const data = Float32Array.from({ length: 2 * 24 }, (_, i) => Number(i === 0 || i === 25));
    const config = { ...json('config.json'), architectures: ['CLIPTextModelWithProjection'], projection_dim: 2 };
    const projection = ['text_projection.weight', { shape: [2, 24], data }] as const;
    const clip = clipTextFromConfig(config, new Map([...weights, projection]));
    const { sequence, pooled } = clip.apply(ids);
    const end = [...ids.dataSync()].indexOf(526);
    expect([...pooled.dataSync()]).toEqual([...tf.slice(sequence, [0, end, 0], [1, 1, 2]).dataSync()]);
  });

  test.each([
    ['expected the config of a CLIPTextModel, got that of a "t5"', { model_type: 't5' }],
    ['hidden_act "tanh" is not carried, only gelu, quick_gelu', { hidden_act: 'tanh' }],
    ['use_attention_mask true is not carried', { use_attention_mask: true }],
    ['num_attention_heads "4" makes no sense', { num_attention_heads: '4' }],
    ['should have shape [13, 24], not [12, 24]', { max_position_embeddings: 13 }],
  ])('%s', (message, changed) => {
    const before = tf.memory().numTensors;
    expect(() => clipTextFromConfig({ ...json('config.json'), ...changed }, weights)).toThrow(message);
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe("CLIP's tokenizer", () => {
  const [vocab, merges, config] = [json('vocab.json'), text('merges.txt'), json('tokenizer_config.json')];
  const both: [string, ClipTokenizerFiles][] = [
    ['of a tokenizer.json', { tokenizer: json('tokenizer.json'), config }],
    ['of a vocabulary and merges', { vocab, merges, config }],
  ];

  // CLIPTokenizer.from_pretrained(…)(caption, padding='max_length', truncation=True)
  test.each(both)("%s, its ids are transformers'", (_, files) => {
    const tokenizer = clipTokenizer(files);
    const encoded = (caption: string) => [...tokenizer.encode(caption)].join(' ');
    expect(encoded(prompt)).toBe([...ids.dataSync()].join(' '));
    expect(encoded('')).toBe('525 526 526 526 526 526 526 526 526 526 526 526');
    expect(encoded('RED \n Apple')).toBe('525 513 517 526 526 526 526 526 526 526 526 526');
    expect(encoded("Café  \n Ünï, it's 3.5!! 中文 😀")).toBe('525 521 69 127 358 127 120 77 127 363 267 526');
    expect(encoded('<|endoftext|> a')).toBe('525 526 320 526 526 526 526 526 526 526 526 526');
    expect(tokenizer).toMatchObject({ length: 12, vocabularySize: 527 });
  });

  test('what is cut off is told', () => {
    const tokenizer = clipTokenizer({ vocab, merges, config });
    const long = 'red apple, blue cat and a very long cat on top of the green apple';
    expect([...tokenizer.encode(long)].join(' ')).toBe('525 513 517 267 520 522 64 77 323 320 85 526');
    expect(tokenizer.cut(long)).toBe('ery long cat on top of the green apple');
    expect(tokenizer.cut(prompt)).toBe('');
  });

  test('padding may be another token, which is one wherever it stands', () => {
    const files = { vocab, merges, config: { ...config, pad_token: { content: '!' }, model_max_length: 10 } };
    expect([...clipTokenizer(files).encode('red! apple!!')].join(' ')).toBe('525 513 0 517 0 0 526 0 0 0');
  });

  test('what is missing is named', () => {
    expect(() => clipTokenizer({ vocab })).toThrow('expected a tokenizer.json, or a vocab.json and a merges.txt');
    expect(() => clipTokenizer({ vocab, merges, config: { bos_token: '<s>' } })).toThrow('vocab.json has no "<s>"');
    expect(() => clipTokenizer({ vocab, merges, config: { pad_token: '<pad>' } })).toThrow('has no "<pad>"');
    expect(() => clipTokenizer({ tokenizer: {} })).toThrow('this is not a tokenizer.json');
  });
});
