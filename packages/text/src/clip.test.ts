import { prepareExecution } from '@ddpm/execution';
import { disposeParameters, namedParameters } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import type { Arrays, Batch } from '@ddpm/train';
import { adam, eagerGradients, learner } from '@ddpm/train';
import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { Clip, contrastive, contrastiveLoss } from './clip';
import { TextTransformer } from './text-transformer';
import { VisionTransformer } from './vision-transformer';

const tiny = () =>
  new Clip({
    image: new VisionTransformer({
      ...{ imageSize: 4, imageChannels: 1, patchSize: 2 },
      ...{ width: 8, layers: 1, heads: 2, outFeatures: 6 },
    }),
    text: new TextTransformer({
      ...{ vocabularySize: 7, length: 3, width: 8, layers: 1, heads: 2 },
      ...{ outFeatures: 6, causal: true },
    }),
  });

/** Four kinds of images, told apart by which pixel of each patch is bright, with a word for each. */
function pairs(seed = 0): Batch {
  const rng = new Random(seed);
  const pixel = (i: number) => 2 * (Math.floor(i / 4) % 2) + (i % 2);
  const image = rng.normals(4 * 16).map((z, i) => 0.1 * z + (pixel(i) === Math.floor(i / 16) ? 1 : 0));
  const tokens = Int32Array.from([3, 4, 5, 6].flatMap((word) => [word, 1, 0]));
  return { image: { data: image, item: [4, 4, 1] }, tokens: { data: tokens, item: [3] } };
}

test('of n pairs at right angles the loss is ln(e^s + n − 1) − s, and of equal ones ln n', () => {
  tf.tidy(() => {
    const loss = (a: tf.Tensor2D, b: tf.Tensor2D) => [...contrastiveLoss(a, b, tf.scalar(3)).dataSync()];
    const expected = Math.log(Math.exp(3) + 3) - 3;
    for (const value of loss(tf.eye(4), tf.eye(4))) expect(value).toBeCloseTo(expected, 5);
    const same = tf.tile(tf.tensor2d([[0.6, 0.8]]), [4, 1]);
    for (const value of loss(same, same)) expect(value).toBeCloseTo(Math.log(4), 5);
    // Each image takes the caption of the next.
    const shifted = tf.gather<tf.Tensor2D>(tf.eye(4), [1, 2, 3, 0]);
    for (const value of loss(tf.eye(4), shifted)) expect(value).toBeCloseTo(Math.log(Math.exp(3) + 3), 5);
  });
});

test('learns which word belongs to which image; its scale stays at 100 at most', async () => {
  const clip = tiny();
  const task = contrastive(clip);
  expect(task.coupled).toBe(true);
  expect(() => task.draw({ image: pairs().image }, new Random(0))).toThrow(
    'expected examples with the fields image and tokens',
  );
  const gradients = await (await prepareExecution('compiled')).gradients(task, pairs());
  const learning = await learner({ task, gradients, optimizer: adam() });
  const losses: number[] = [];
  for (let step = 0; step < 80; step++)
    losses.push((await learning.step(task.draw(pairs(step), new Random(step)), 3e-3)).loss);
  expect(losses[0]).toBeGreaterThan(1);
  expect(losses.at(-1)).toBeLessThan(0.1);
  for (const [name, data] of await learning.weights())
    tf.tidy(() => task.parameters.get(name)!.assign(tf.tensor(data, task.parameters.get(name)!.shape)));
  tf.tidy(() => {
    clip.logScale.assign(tf.scalar(9));
    expect(clip.scale().dataSync()[0]).toBeCloseTo(100, 3);
    const { image, tokens } = pairs(99);
    const a = clip.encodeImage(tf.tensor4d(image.data, [4, 4, 4, 1]));
    const b = clip.encodeText(tf.tensor2d(tokens.data, [4, 3], 'int32'));
    expect([...tf.argMax(tf.matMul(a, b, false, true), 1).dataSync()]).toEqual([0, 1, 2, 3]);
    for (const length of tf.norm(a, 2, 1).dataSync()) expect(length).toBeCloseTo(1, 5);
  });
  await learning.dispose();
  disposeParameters(clip);
});

test('compiled, it has the gradients that it has eagerly', async () => {
  const clip = tiny();
  const task = contrastive(clip);
  const parameters: Arrays = new Map(
    [...namedParameters(clip)].map(([name, variable]) => [name, variable.dataSync() as Float32Array]),
  );
  const [eager, execution] = [eagerGradients(task), await prepareExecution('compiled')];
  const compiled = await execution.gradients(task, pairs());
  const [expected, actual] = [await eager(parameters, pairs(1)), await compiled(parameters, pairs(1))];
  expect(actual.loss).toBeCloseTo(expected.loss, 5);
  for (const [name, gradient] of expected.gradients)
    gradient.forEach((value, i) => expect(actual.gradients.get(name)![i]).toBeCloseTo(value, 4));
  expect(expected.gradients.get('text.tokenEmbedding.weight')!.some((value) => value !== 0)).toBe(true);
  await compiled.dispose();
  disposeParameters(clip);
});
