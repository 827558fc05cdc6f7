import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { BackendName } from './backends';
import { compared, draws, greatestDifference } from '../test/compare';
import { prepareBackend } from './prepare-backend';

const shapes: Record<string, number[]> = {
  first: [7, 7, 1, 6],
  depthwise: [7, 7, 6, 1],
  inner: [3, 3, 6, 12],
  outer: [3, 3, 12, 6],
  down: [4, 4, 6, 8],
  qkv: [1, 1, 8, 24],
  up: [4, 4, 6, 8],
  last: [1, 1, 12, 1],
  scale: [12],
  shift: [12],
  table: [10, 6],
};

/** A small network of the parts that U-Nets are made of. x: [2, 8, 8, 1], t: [2] int32. */
function forward(p: Record<string, tf.Variable>, x: tf.Tensor4D, t: tf.Tensor1D): tf.Tensor4D {
  const filter = (name: string) => p[name] as unknown as tf.Tensor4D;
  const gelu = (v: tf.Tensor4D): tf.Tensor4D => tf.mul(v, tf.mul(tf.add(tf.erf(tf.mul(v, Math.SQRT1_2)), 1), 0.5));
  const norm = (v: tf.Tensor4D): tf.Tensor4D => {
    const { mean, variance } = tf.moments(tf.reshape(v, [2, -1, 2, v.shape[3] / 2]), [1, 3], true);
    return tf.reshape(
      tf.mul(tf.sub(tf.reshape(v, [2, -1, 2, v.shape[3] / 2]), mean), tf.rsqrt(tf.add(variance, 1e-5))),
      v.shape,
    );
  };
  const start = tf.conv2d(x, filter('first'), 1, 3, 'NHWC', 1, 'floor');
  const time = tf.reshape(tf.gather(p.table, t), [2, 1, 1, 6]);
  const local = tf.add<tf.Tensor4D>(tf.depthwiseConv2d(start, filter('depthwise'), 1, 'same'), time);
  const wide = gelu(tf.conv2d(norm(local), filter('inner'), 1, 'same'));
  const affine: tf.Tensor4D = tf.add(tf.mul(norm(wide), p.scale), p.shift);
  const block: tf.Tensor4D = tf.add(tf.conv2d(affine, filter('outer'), 1, 'same'), start);
  const low = tf.conv2d(block, filter('down'), 2, 1, 'NHWC', 1, 'floor');
  const pieces = tf.split(tf.reshape(tf.conv2d(low, filter('qkv'), 1, 0), [2, 16, 24]), 3, 2) as [
    tf.Tensor3D,
    tf.Tensor3D,
    tf.Tensor3D,
  ];
  const weights = tf.softmax(tf.sub(tf.matMul(pieces[0], pieces[1], false, true), tf.max(pieces[0])));
  const attended: tf.Tensor4D = tf.add(low, tf.reshape(tf.matMul(weights, pieces[2]), [2, 4, 4, 8]));
  const high = tf.conv2dTranspose(
    tf.mul<tf.Tensor4D>(attended, tf.sigmoid(attended)),
    filter('up'),
    [2, 8, 8, 6],
    2,
    1,
  );
  return tf.conv2d(tf.concat4d([high, block], 3), filter('last'), 1, 0);
}

async function train(backend: BackendName) {
  await prepareBackend(backend);
  const random = draws(1);
  const parameters = Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [
      name,
      tf.variable(tf.mul(tf.tensor(random.tensor(shape).values, shape), 0.4)),
    ]),
  );
  const image = () => tf.tensor4d(random.tensor([2, 8, 8, 1]).values, [2, 8, 8, 1]);
  const tensors = [image(), image()];
  const t = tf.tensor1d([3, 7], 'int32');
  const loss = () => tf.losses.huberLoss<tf.Tensor, tf.Scalar>(tensors[1], forward(parameters, tensors[0], t));
  const { value, grads } = tf.variableGrads(loss, Object.values(parameters));
  const gradients = Object.entries(parameters).map(([name, parameter]) => ({
    name,
    values: Array.from(grads[parameter.name].dataSync()),
  }));
  tf.dispose([value, grads]);
  const optimizer = tf.train.adam(1e-2, 0.9, 0.999, 1e-8);
  const losses: number[] = [];
  const counts: number[] = [];
  for (let step = 0; step < 4; step++) {
    const result = optimizer.minimize(loss, true, Object.values(parameters))!;
    losses.push(result.dataSync()[0]);
    result.dispose();
    counts.push(tf.memory().numTensors);
  }
  optimizer.dispose();
  tf.dispose([parameters, tensors, t]);
  return { gradients, losses, counts };
}

test('a network of every part of the U-Net has the same gradients and losses on wasm as on cpu', async () => {
  const [cpu, wasm] = [await train('cpu'), await train(compared)];
  for (const [index, { name, values }] of cpu.gradients.entries()) {
    // Some hundred float32 operations one after another: 1e-4 of the greatest gradient leaves a wide margin over what
    // is seen (1e-6).
    const scale = Math.max(...values.map(Math.abs));
    const normalised = (gradient: number[]) => gradient.map((value) => value / scale);
    const difference = greatestDifference(normalised(values), normalised(wasm.gradients[index].values));
    expect({ name, difference, close: difference < 1e-4 }).toMatchObject({ close: true });
  }
  for (const [step, loss] of cpu.losses.entries()) expect(wasm.losses[step]).toBeCloseTo(loss, 4);
  expect(wasm.losses[3]).toBeLessThan(wasm.losses[0]);
  expect(new Set(wasm.counts.slice(1)).size).toBe(1);
});
