import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs';
import { values } from '../test/compare';
import { measure } from './measure';

const variables = (shapes: Record<string, number[]>) =>
  new Map(Object.entries(shapes).map(([name, shape], i) => [name, tf.tidy(() => tf.variable(values(shape, i)))]));

test('counts the multiplications of convolutions and products, of whatever kind, and not those of resizing', () => {
  const before = tf.memory().numTensors;
  tf.engine().startScope();
  const parameters = variables({
    conv: [3, 3, 4, 8],
    depthwise: [5, 5, 8, 1],
    up: [2, 2, 6, 8],
    dense: [6, 10],
    queries: [10, 5],
  });
  const [conv, depthwise, up, dense, queries] = [...parameters.values()] as tf.Tensor[];
  const network = (x: tf.Tensor4D) => {
    const h = tf.depthwiseConv2d(tf.conv2d(x, conv as tf.Tensor4D, 2, 'same'), depthwise as tf.Tensor4D, 1, 'same');
    const large = tf.conv2dTranspose(h, up as tf.Tensor4D, [x.shape[0], 8, 8, 6], 2, 'same');
    const rows = tf.matMul(tf.reshape(tf.image.resizeBilinear(large, [4, 4]), [x.shape[0], 16, 6]), dense);
    const q = tf.matMul(rows, queries);
    return tf.matMul(tf.matMul(q, q, false, true), rows);
  };
  const expected =
    16 * 8 * 9 * 4 + 16 * 8 * 25 + 16 * 8 * 4 * 6 + 16 * 6 * 10 + 16 * 10 * 5 + 16 * 5 * 16 + 16 * 16 * 10;
  for (const n of [1, 3])
    expect(measure(network, parameters, [values([n, 8, 8, 4], 1)]).multiplyAdds).toBe(n * expected);
  parameters.forEach((variable) => variable.dispose());
  tf.engine().endScope();
  expect(tf.memory().numTensors).toBe(before);
});

test('knows how much memory is needed at one time', () => {
  tf.engine().startScope();
  const parameters = variables({ w: [10, 1000], back: [1000, 10] });
  const [w, back] = [...parameters.values()] as tf.Tensor2D[];
  // [n, 10] → [n, 1000] → its tanh → [n, 10], and the input, which is added in the end: the two wide ones are there at
  // one time.
  const network = (x: tf.Tensor2D) => tf.add(tf.reshape(tf.matMul(tf.tanh(tf.matMul(x, w)), back), [-1, 10]), x);
  for (const n of [1, 7]) {
    const { largestBytes, peakBytes } = measure(network, parameters, [values([n, 10], 1)]);
    expect({ largestBytes, peakBytes }).toEqual({ largestBytes: 4000 * n, peakBytes: (2 * 4000 + 40) * n });
  }
  // A chain holds two at a time, however long it is; what is put together at the end holds all.
  const chain = (count: number, all: boolean) => (x: tf.Tensor1D) => {
    const steps = [x as tf.Tensor];
    for (let i = 0; i < count; i++) steps.push(tf.tanh(steps[i]));
    return all ? tf.addN(steps) : steps[count];
  };
  const peak = (count: number, all: boolean) =>
    measure(chain(count, all), new Map(), [tf.zeros([100])]).peakBytes / 400;
  expect([peak(5, false), peak(50, false)]).toEqual([2, 2]);
  expect(peak(50, true)).toBeGreaterThan(50);
  parameters.forEach((variable) => variable.dispose());
  tf.engine().endScope();
});

test('refuses what cannot be traced, as compile does', () => {
  tf.engine().startScope();
  const x = values([2], 1);
  expect(() => measure((a: tf.Tensor) => tf.scalar(a.dataSync()[0]), new Map(), [x])).toThrow(/reads a tensor/);
  const w = tf.variable(x);
  expect(() => measure((a: tf.Tensor) => tf.add(a, w), new Map(), [x])).toThrow(
    'measure: the function reads a trainable variable that is not among the parameters, [2] (in Add)',
  );
  w.dispose();
  tf.engine().endScope();
});
