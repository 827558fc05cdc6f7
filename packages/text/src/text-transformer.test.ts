import { readFileSync } from 'node:fs';
import type { TensorValues } from '@ddpm/layers';
import { disposeParameters, namedParameters } from '@ddpm/layers';
import { readSafetensors } from '@ddpm/safetensors';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { loadGlideText } from './glide';
import type { TextTransformerOptions } from './text-transformer';
import { TextTransformer } from './text-transformer';

const tiny: TextTransformerOptions = { vocabularySize: 9, length: 4, width: 8, layers: 2, heads: 2 };
const ids = (...rows: number[][]) => tf.tensor2d(rows, [rows.length, rows[0].length], 'int32');

/** max |actual − expected| */
const distance = (actual: tf.Tensor, expected: tf.Tensor) => {
  expect(actual.shape).toEqual(expected.shape);
  return tf.max(tf.abs(tf.sub(actual, expected))).dataSync()[0];
};

test("GLIDE's weights give GLIDE's vectors to 1e-5", () => {
  const { tensors } = readSafetensors(readFileSync('test/glide-text.safetensors'));
  const of = (prefix: string) =>
    new Map(
      [...tensors].flatMap(([name, tensor]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), tensor]] : [])),
    );
  const text = new TextTransformer({
    ...{ vocabularySize: 20, length: 6, width: 16, layers: 2, heads: 4 },
    ...{ outFeatures: 64, padding: 'learned', pool: 'last' },
  });
  const weights = of('weights.') as Map<string, TensorValues>;
  const other = { shape: [1], data: new Float32Array(1) };
  expect([...loadGlideText(text, new Map([...weights, ['out.2.bias', other]]))]).toEqual([['out.2.bias', other]]);
  tf.tidy(() => {
    const io = of('io.');
    const int = (name: string) => tf.tensor2d(io.get(name)!.data as Int32Array, [2, 6], 'int32');
    const float = (name: string) => tf.tensor(io.get(name)!.data as Float32Array, [...io.get(name)!.shape]);
    const held = tf.memory().numTensors;
    const { sequence, pooled } = text.apply(int('tokens'), int('mask'));
    // Two results, and the tokens and the mask.
    expect(tf.memory().numTensors).toBe(held + 4);
    expect(distance(pooled, float('xf_proj'))).toBeLessThan(1e-5);
    expect(distance(tf.transpose(sequence, [0, 2, 1]), float('xf_out'))).toBeLessThan(1e-5);
  });
  weights.delete('final_ln.bias');
  expect(() => loadGlideText(text, weights)).toThrow('final_ln.bias is missing');
  disposeParameters(text);
});

describe('TextTransformer', () => {
  test('masked padding is not seen, and learned padding is', () => {
    tf.tidy(() => {
      for (const padding of ['masked', 'learned'] as const) {
        const text = new TextTransformer({ ...tiny, padding });
        const tokens = ids([3, 5, 1, 0], [3, 5, 1, 7]);
        const [short, hidden] = tf.unstack(
          text.apply(
            tokens,
            tf.tensor2d([
              [1, 1, 1, 0],
              [1, 1, 1, 0],
            ]),
          ).pooled,
        );
        const [, whole] = tf.unstack(text.apply(tokens).pooled);
        expect(distance(short, hidden)).toBeLessThan(1e-6);
        expect(distance(short, whole)).toBeGreaterThan(1e-3);
      }
    });
  });

  test('causal: no position sees a later one, and the pooled one is the last that is there', () => {
    tf.tidy(() => {
      for (const causal of [true, false]) {
        const text = new TextTransformer({ ...tiny, causal });
        const { sequence, pooled } = text.apply(ids([3, 5, 1, 0], [3, 8, 1, 0]));
        const at = (row: number, position: number) => tf.slice(sequence, [row, position, 0], [1, 1, 8]);
        const moved = distance(at(0, 0), at(1, 0));
        if (causal) expect(moved).toBeLessThan(1e-6);
        else expect(moved).toBeGreaterThan(1e-6);
        expect(distance(at(0, 1), at(1, 1))).toBeGreaterThan(1e-3);
        expect(distance(tf.reshape(at(1, 2), [8]), tf.unstack(pooled)[1])).toBe(0);
      }
    });
  });

  test('order counts, by learned positions or sinusoids; a caption of padding alone gives no NaN', () => {
    tf.tidy(() => {
      for (const positions of ['learned', 'sinusoidal'] as const) {
        const text = new TextTransformer({ ...tiny, positions });
        const [one, other, nothing] = tf.unstack(text.apply(ids([3, 5, 1, 0], [5, 3, 1, 0], [0, 0, 0, 0])).pooled);
        expect(distance(one, other)).toBeGreaterThan(1e-4);
        expect(nothing.dataSync().every(Number.isFinite)).toBe(true);
        expect(namedParameters(text).has('positionalEmbedding.weight')).toBe(positions === 'learned');
      }
    });
  });

  test('is a function of its seed, and refuses what does not fit', () => {
    const values = (seed: number) => {
      const text = new TextTransformer({ ...tiny, seed });
      const all = [...namedParameters(text).values()].map((variable) => variable.dataSync());
      disposeParameters(text);
      return all;
    };
    expect(values(1)).toEqual(values(1));
    expect(values(1)).not.toEqual(values(2));
    expect(() => new TextTransformer({ ...tiny, layers: 0 })).toThrow(
      'TextTransformer: layers must be a whole number of at least 1, got 0',
    );
    tf.tidy(() => {
      const text = new TextTransformer(tiny);
      expect(() => text.apply(ids([1, 2]))).toThrow('TextTransformer: expected tokens [n, 4], got [1, 2]');
    });
  });
});
