import { prepareExecution } from '@ddpm/execution';
import { disposeParameters, namedParameters } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { clipGradient } from './clip-gradient';
import { createClip } from './clip-network';

const options = {
  imageSize: 4,
  channels: 1,
  patchSize: 2,
  vocabularySize: 7,
  length: 2,
  width: 8,
  layers: 1,
  heads: 2,
};

test('an encoder of noisy images sees their level, and is told one if and only if it wants one', () => {
  const [noised, plain] = [
    createClip({ ...options, features: 6, noised: true }),
    createClip({ ...options, features: 6 }),
  ];
  tf.tidy(() => {
    const x = tf.tensor4d(new Random(1).normals(32), [2, 4, 4, 1]);
    const at = (t: number[]) => [...noised.encodeImage(x, tf.tensor1d(t)).dataSync()];
    const [same, other] = [at([3, 3]), at([3, 9])];
    expect(other.slice(0, 6)).toEqual(same.slice(0, 6));
    expect(other.slice(6)).not.toEqual(same.slice(6));
    expect(() => noised.encodeImage(x)).toThrow('VisionTransformer: it needs the level of its images');
    expect(() => plain.encodeImage(x, tf.tensor1d([3, 3]))).toThrow('it has no use for the level of its images');
  });
  for (const clip of [noised, plain]) disposeParameters(clip);
});

test('is the gradient of the scaled product, by finite differences, and compiled as well', async () => {
  const clip = createClip({ ...options, features: 6, noised: true });
  const pixels = new Random(2).normals(32);
  const [x, told, tokens] = [
    tf.tensor4d(pixels, [2, 4, 4, 1]),
    tf.tensor1d([2, 7]),
    tf.tensor2d([3, 1, 4, 1], [2, 2], 'int32'),
  ];
  const text = clip.encodeText(tokens);
  const score = (values: Float32Array) =>
    tf.tidy(() => {
      const products = tf.mul(clip.encodeImage(tf.tensor4d(values, [2, 4, 4, 1]), told), text);
      return tf.mul(tf.sum(products), clip.scale()).dataSync()[0];
    });
  const before = tf.memory().numTensors;
  const gradient = clipGradient(clip)(x, told, text);
  expect(tf.memory().numTensors).toBe(before + 1);
  const h = 0.02;
  const [slopes, largest] = [gradient.dataSync(), tf.tidy(() => tf.max(tf.abs(gradient)).dataSync()[0])];
  expect(largest).toBeGreaterThan(0.1);
  for (const k of [0, 5, 20, 31]) {
    const [more, less] = [h, -h].map((step) => score(pixels.map((value, i) => (i === k ? value + step : value))));
    expect(Math.abs((more - less) / (2 * h) - slopes[k])).toBeLessThan(0.01 * largest);
  }
  const execution = await prepareExecution('compiled');
  const run = await execution.compile(clipGradient(clip), [x, told, text], { parameters: namedParameters({ clip }) });
  const compiled = await run(x, told, text);
  compiled.dataSync().forEach((value, i) => expect(Math.abs(value - slopes[i])).toBeLessThan(1e-4 * largest));
  await run.dispose();
  tf.dispose([x, told, tokens, text, gradient, compiled]);
  disposeParameters(clip);
});
