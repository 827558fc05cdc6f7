import type { TensorValues } from '@ddpm/layers';
import { disposeParameters, toTorchTensors } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { Bert, bertFromTensors } from './bert';

const [width, heads, hidden, layers, vocabulary, places] = [8, 2, 12, 2, 11, 5];

/** Random weights under the names of Hugging Face's BERT, in PyTorch's layout. */
function stateDict(): Map<string, TensorValues> {
  const rng = new Random(4);
  const tensors = new Map<string, TensorValues>();
  const add = (name: string, ...shape: number[]) =>
    tensors.set(name, { shape, data: rng.normals(shape.reduce((a, b) => a * b, 1)).map((z) => 0.4 * z) });
  const linear = (name: string, to: number, from: number) => {
    add(`${name}.weight`, to, from);
    add(`${name}.bias`, to);
  };
  const norm = (name: string) => {
    add(`${name}.weight`, width);
    add(`${name}.bias`, width);
  };
  add('embeddings.word_embeddings.weight', vocabulary, width);
  add('embeddings.position_embeddings.weight', places, width);
  add('embeddings.token_type_embeddings.weight', 2, width);
  norm('embeddings.LayerNorm');
  for (let i = 0; i < layers; i++) {
    const layer = `encoder.layer.${i}`;
    for (const part of ['query', 'key', 'value']) linear(`${layer}.attention.self.${part}`, width, width);
    linear(`${layer}.attention.output.dense`, width, width);
    norm(`${layer}.attention.output.LayerNorm`);
    linear(`${layer}.intermediate.dense`, hidden, width);
    linear(`${layer}.output.dense`, width, hidden);
    norm(`${layer}.output.LayerNorm`);
  }
  linear('pooler.dense', width, width);
  return tensors;
}

/** BERT on one sentence without padding, element by element in float64 (Devlin et al. 2019). */
function reference(tensors: ReadonlyMap<string, TensorValues>, ids: readonly number[]): number[][] {
  const values = (name: string) => tensors.get(name)!.data;
  const linear = (name: string, x: readonly number[]) =>
    [...values(`${name}.bias`)].map((b, o) =>
      x.reduce((sum, v, i) => sum + v * values(`${name}.weight`)[o * x.length + i], b),
    );
  const norm = (name: string, x: readonly number[]) => {
    const mean = x.reduce((a, b) => a + b) / x.length;
    const variance = x.reduce((sum, v) => sum + (v - mean) ** 2, 0) / x.length;
    return x.map(
      (v, i) => ((v - mean) / Math.sqrt(variance + 1e-12)) * values(`${name}.weight`)[i] + values(`${name}.bias`)[i],
    );
  };
  const sum = (a: readonly number[], b: readonly number[]) => a.map((v, i) => v + b[i]);
  const row = (name: string, i: number) => [...values(name).slice(i * width, (i + 1) * width)];
  let x = ids.map((id, i) =>
    norm(
      'embeddings.LayerNorm',
      sum(
        sum(row('embeddings.word_embeddings.weight', id), row('embeddings.position_embeddings.weight', i)),
        row('embeddings.token_type_embeddings.weight', 0),
      ),
    ),
  );
  const erf = (z: number) => {
    let [total, term] = [0, z];
    for (let k = 0; k < 60; k++) {
      total += term / (2 * k + 1);
      term *= (-z * z) / (k + 1);
    }
    return (2 / Math.sqrt(Math.PI)) * total;
  };
  for (let i = 0; i < layers; i++) {
    const layer = `encoder.layer.${i}`;
    const [q, k, v] = ['query', 'key', 'value'].map((part) =>
      x.map((one) => linear(`${layer}.attention.self.${part}`, one)),
    );
    const size = width / heads;
    const attended = q.map((query) =>
      Array.from({ length: width }, (_, d) => {
        const head = Math.floor(d / size) * size;
        const weights = k.map((key) =>
          Math.exp(
            query.slice(head, head + size).reduce((total, one, j) => total + one * key[head + j], 0) / Math.sqrt(size),
          ),
        );
        const all = weights.reduce((a, b) => a + b);
        return v.reduce((total, one, p) => total + (weights[p] / all) * one[d], 0);
      }),
    );
    const h = x.map((one, p) =>
      norm(`${layer}.attention.output.LayerNorm`, sum(one, linear(`${layer}.attention.output.dense`, attended[p]))),
    );
    x = h.map((one) => {
      const inner = linear(`${layer}.intermediate.dense`, one).map((z) => (z * (1 + erf(z / Math.SQRT2))) / 2);
      return norm(`${layer}.output.LayerNorm`, sum(one, linear(`${layer}.output.dense`, inner)));
    });
  }
  return x;
}

test('is BERT, with sizes of its tensors, whatever padding follows', async () => {
  const tensors = stateDict();
  const bert = bertFromTensors(tensors, { heads });
  const expected = reference(tensors, [3, 7, 1]);
  tf.tidy(() => {
    const { sequence, pooled } = bert.apply(tf.tensor2d([[3, 7, 1, 0]], [1, 4], 'int32'));
    const [rows] = sequence.arraySync();
    expected.forEach((row, p) => row.forEach((value, d) => expect(rows[p][d]).toBeCloseTo(value, 4)));
    const [mean] = pooled.arraySync();
    mean.forEach((value, d) => expect(value).toBeCloseTo((expected[0][d] + expected[1][d] + expected[2][d]) / 3, 4));
  });
  const prefixed = new Map([...tensors].map(([name, tensor]) => [`bert.${name}`, tensor]));
  const same = bertFromTensors(prefixed, { heads });
  expect(await toTorchTensors(same)).toEqual(await toTorchTensors(bert));
  disposeParameters([bert, same]);
});

test('a tensor that is missing is named, and nothing stays behind', () => {
  const before = tf.memory().numTensors;
  const tensors = stateDict();
  tensors.delete('encoder.layer.1.output.dense.bias');
  expect(() => bertFromTensors(tensors, { heads })).toThrow('encoder.layer.1.output.dense.bias is missing');
  expect(() => bertFromTensors(new Map(), { heads })).toThrow('embeddings.word_embeddings.weight is missing');
  expect(tf.memory().numTensors).toBe(before);
  disposeParameters(new Bert({ vocabularySize: 3, width: 4, heads: 1, layers: 1 }));
});
