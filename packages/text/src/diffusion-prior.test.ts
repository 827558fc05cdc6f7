import { denoising, image, l2, sample, denoiser, trailing, ddim, uniform } from '@ddpm/diffusion';
import { prepareExecution } from '@ddpm/execution';
import { loadParameters, namedParameters } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import { cosineSchedule } from '@ddpm/schedules';
import type { Batch } from '@ddpm/train';
import { adam, learner } from '@ddpm/train';
import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { createClip } from './clip-network';
import { DiffusionPrior, nearestToText } from './diffusion-prior';
import { embeddingImages, withImageEmbeddings } from './image-embeddings';

const features = 6;
const prior = () => new DiffusionPrior({ features, vocabularySize: 7, length: 3, width: 8, layers: 1, heads: 2 });
const tokensOf = (words: readonly number[]) => Int32Array.from(words.flatMap((word) => [word, 1, 0]));

test('sees the caption before padding, its vector, the level and the noisy vector; the answer is of its last position', () => {
  const network = prior();
  const given = {
    x: tf.randomNormal<tf.Rank.R4>([1, 1, 1, features], 0, 1, 'float32', 1),
    t: tf.tensor1d([5]),
    tokens: tf.tensor2d(tokensOf([3]), [1, 3], 'int32'),
    textEmbedding: tf.ones<tf.Rank.R2>([1, features]),
  };
  const out = ({ x, t, ...condition } = given) => tf.tidy(() => network.apply(x, t, condition).dataSync());
  const before = tf.memory().numTensors;
  const whole = out();
  expect(tf.memory().numTensors).toBe(before);
  expect(whole).toHaveLength(features);
  const others = {
    x: tf.zeros<tf.Rank.R4>([1, 1, 1, features]),
    t: tf.tensor1d([6]),
    tokens: tf.tensor2d(tokensOf([4]), [1, 3], 'int32'),
    textEmbedding: tf.zeros<tf.Rank.R2>([1, features]),
  };
  for (const [name, value] of Object.entries(others)) expect(out({ ...given, [name]: value })).not.toEqual(whole);
  // The vector of padding reaches nothing.
  tf.tidy(() => {
    const { weight } = network.tokenEmbedding;
    const [rows, width] = weight.shape;
    weight.assign(tf.concat([tf.fill([1, width], 9), tf.slice(weight, [1, 0], [rows - 1, width])]));
  });
  expect(out()).toEqual(whole);
  expect(() => out({ ...given, x: tf.zeros([1, 1, 1, 2]) })).toThrow('expected vectors [n, 1, 1, 6], got [1, 1, 1, 2]');
});

test('learns which vectors belong to a caption, by the losses of a denoiser, while CLIP stays as it is', async () => {
  const clip = createClip({
    ...{ imageSize: 4, channels: 1, patchSize: 2, vocabularySize: 7, length: 3 },
    ...{ width: 8, layers: 1, heads: 2, features },
  });
  const network = prior();
  const frozen = namedParameters({ clip });
  const parameters = namedParameters({ prior: network });
  const schedule = cosineSchedule({ timesteps: 20 });
  const whole = denoising({ network, parameters, levels: uniform(schedule), parameterisation: image, loss: l2 });
  const task = withImageEmbeddings(whole, { clip, parameters: frozen, features });
  expect([...task.frozen!.keys()]).toEqual([...frozen.keys()]);
  // Four images, each with a word of its own.
  const pixels = new Random(1).normals(4 * 16);
  const examples: Batch = {
    image: { data: pixels, item: [4, 4, 1] },
    tokens: { data: tokensOf([3, 4, 5, 6]), item: [3] },
  };
  const first = task.draw(examples, new Random(0));
  expect(first.noise.item).toEqual([1, 1, features]);
  const gradients = await (await prepareExecution('compiled')).gradients(task, first);
  const learning = await learner({ task, gradients, optimizer: adam() });
  for (let step = 0; step < 250; step++) await learning.step(task.draw(examples, new Random(step)), 1e-2);
  const values = [...(await learning.weights())].map(
    ([name, data]) => [name, { shape: parameters.get(name)!.shape, data }] as const,
  );
  loadParameters({ prior: network }, new Map(values));
  await learning.dispose();

  const text = tf.tensor2d(tokensOf([3, 4, 5, 6]), [4, 3], 'int32');
  const condition = { tokens: text, textEmbedding: clip.encodeText(text) };
  const xT = tf.tensor4d(new Random(2).normals(4 * features), [4, 1, 1, features]);
  const sampler = ddim(trailing(schedule, 10));
  const drawn = await sample(denoiser(network, { parameterisation: image, condition }), xT, {
    sampler,
    rng: new Random(3),
  });
  tf.tidy(() => {
    const truth = embeddingImages(clip.encodeImage(tf.tensor4d(pixels, [4, 4, 4, 1])));
    const error = tf.mean(tf.square(tf.sub(drawn, truth))).dataSync()[0];
    const variance = tf.mean(tf.square(tf.sub(truth, tf.mean(truth, 0, true)))).dataSync()[0];
    // Far better than the mean of all, which is right to the variance.
    expect(error).toBeLessThan(0.1 * variance);
  });
});

test('of two vectors the one is taken that is nearer to the caption, whatever their lengths', () => {
  tf.tidy(() => {
    const text = tf.tensor2d([1, 0, 0, 1], [2, 2]);
    const [a, b] = [tf.tensor2d([0.9, 0.1, 9, 1], [2, 2]), tf.tensor2d([5, 5, 0, 0.5], [2, 2])];
    const expected = [0.9, 0.1, 0, 0.5];
    nearestToText([a, b], text)
      .dataSync()
      .forEach((value, i) => expect(value).toBeCloseTo(expected[i], 6));
    expect(() => nearestToText([], text)).toThrow('expected at least one vector for each caption, got none');
  });
});
