import { Random } from '@ddpm/random';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { Batch, Inputs, Task } from './index';
import { count, eagerGradients, inParts, part, tensors } from './index';

const rng = new Random(9);
const batch = (n: number): Batch => ({
  x: { data: rng.normals(n * 4), item: [2, 2] },
  y: { data: rng.normals(n), item: [] },
  label: { data: rng.integers(n, 3), item: [] },
});

/** y ≈ a·mean(x) + b, whose gradients are easy to know; the loss of a label is recorded beside it. */
function affine() {
  const parameters = new Map(['a', 'b', 'unused'].map((name, i) => [name, tf.variable(tf.scalar([0.1, -0.2, 1][i]))]));
  const initial = new Map([...parameters].map(([name, variable]) => [name, variable.dataSync<'float32'>().slice()]));
  const loss: Task['loss'] = ({ x, y, label }) => {
    const output = tf.add(tf.mul(tf.mean(x, [1, 2]), parameters.get('a')!), parameters.get('b')!);
    const error = tf.square(tf.sub<tf.Tensor1D>(y, output));
    return { loss: tf.add<tf.Tensor1D>(error, tf.cast(label, 'float32')), error };
  };
  return { parameters, initial, loss };
}

describe('a batch', () => {
  test('is counted, cut without copying, and made into tensors of its fields’ types', () => {
    const whole = batch(5);
    expect(count(whole)).toBe(5);
    const cut = part(whole, 1, 3);
    expect(cut.x.data.buffer).toBe(whole.x.data.buffer);
    expect([...cut.label.data]).toEqual([...whole.label.data.slice(1, 3)]);
    const made = tensors(cut);
    expect(Object.entries(made).map(([name, { shape, dtype }]) => `${name} ${dtype} [${shape.join()}]`)).toEqual([
      'x float32 [2,2,2]',
      'y float32 [2]',
      'label int32 [2]',
    ]);
    tf.dispose(Object.values(made));
  });
  test('whose fields have different numbers of examples is refused', () => {
    const wrong = { ...batch(3), label: { data: Int32Array.of(1), item: [] } };
    expect(() => count(wrong)).toThrow(
      'batch: label has 1 examples, and x 3; expected the same whole number, at least 1',
    );
    expect(() => count({})).toThrow('batch: expected at least one field, got none');
  });
});

describe('eagerGradients', () => {
  test('agree with finite differences, record every loss, and leave no tensor behind', async () => {
    const { initial, ...task } = affine();
    const gradients = eagerGradients(task);
    const data = batch(3);
    const before = tf.memory().numTensors;
    const result = await gradients(initial, data);
    for (const name of ['a', 'b']) {
      const at = async (change: number) =>
        (await gradients(new Map(initial).set(name, Float32Array.of(initial.get(name)![0] + change)), data)).loss;
      expect(result.gradients.get(name)![0]).toBeCloseTo(((await at(1e-2)) - (await at(-1e-2))) / 2e-2, 3);
    }
    expect(result.gradients.get('unused')?.[0] ?? 0).toBe(0);
    expect([...result.losses.keys()]).toEqual(['loss', 'error']);
    result.losses
      .get('loss')!
      .forEach((loss, i) => expect(loss).toBeCloseTo(result.losses.get('error')![i] + data.label.data[i], 5));
    expect(result.loss).toBeCloseTo(result.losses.get('loss')!.reduce((sum, x) => sum + x, 0) / 3, 5);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('say which loss is not one number for each example', async () => {
    const { initial, parameters, loss } = affine();
    const wrong = (terms: (inputs: Inputs) => object) =>
      eagerGradients({ parameters, loss: (inputs) => ({ ...loss(inputs), ...terms(inputs) }) })(initial, batch(3));
    await expect(wrong(({ x }) => ({ loss: x }))).rejects.toThrow(
      "task: the loss 'loss' should have one number for each of 3 examples, [3], not [3, 2, 2]",
    );
    await expect(wrong(({ x }) => ({ sum: tf.sum(x, 0) }))).rejects.toThrow(
      "task: the term 'sum' should be of 3 examples, [3] or [3, …], not [2, 2]",
    );
  });

  test('of a frozen variable there are none', async () => {
    const teacher = tf.variable(tf.scalar(2));
    const { parameters, initial } = affine();
    const loss: Task['loss'] = ({ y }) => ({ loss: tf.mul<tf.Tensor1D>(tf.mul(y, teacher), parameters.get('a')!) });
    const { gradients } = await eagerGradients({ parameters, loss })(initial, batch(2));
    expect([...gradients.keys()]).toEqual(['a']);
  });
});

test('inParts averages the parts to the whole, the last and smaller one included', async () => {
  const { initial, ...task } = affine();
  const whole = eagerGradients({ ...task, loss: (inputs) => ({ ...task.loss(inputs), wide: inputs.x }) });
  const data = batch(7);
  const [expected, actual] = [await whole(initial, data), await inParts(whole, 3)(initial, data)];
  expect(actual.loss).toBeCloseTo(expected.loss, 6);
  for (const name of ['loss', 'error', 'wide'])
    expect([...actual.losses.get(name)!]).toEqual([...expected.losses.get(name)!]);
  for (const name of ['a', 'b'])
    expect(actual.gradients.get(name)![0]).toBeCloseTo(expected.gradients.get(name)![0], 6);
  expect(actual.losses.get('wide')).toEqual(data.x.data);
});
