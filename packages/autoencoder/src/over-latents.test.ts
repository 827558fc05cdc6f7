import { denoising, l2, uniform } from '@ddpm/diffusion';
import { prepareExecution } from '@ddpm/execution';
import { namedParameters } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import { linearSchedule } from '@ddpm/schedules';
import { eagerGradients, tensors } from '@ddpm/train';
import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { AutoencoderKl, fromLatents, latentStatistics, overLatents } from './index';
import createNetwork from './index';

const options = { imageChannels: 1, blockOutChannels: [2, 2], normNumGroups: 1, latentChannels: 3 };
const autoencoder = new AutoencoderKl({ ...options, midBlockAddAttention: false });
const parameters = namedParameters({ autoencoder });
const rng = new Random(1);
const examples = { image: { data: rng.normals(3 * 16), item: [4, 4, 1] } };
const images = tf.tensor4d(examples.image.data, [3, 4, 4, 1]);

/** A denoiser of whatever has three channels. */
const weight = tf.variable(tf.tensor4d(new Random(2).normals(9), [1, 1, 3, 3]));
const task = denoising({
  network: { apply: (x: tf.Tensor4D) => tf.conv2d(x, weight, 1, 'same') },
  parameters: new Map([['weight', weight]]),
  levels: uniform(linearSchedule({ timesteps: 10 })),
  loss: l2,
});

test('a task over latents is the task of the latents, scaled', () => {
  const over = overLatents(task, { autoencoder, parameters, scalingFactor: 2, shiftFactor: 0.5 });
  const drawn = over.draw(examples, new Random(5));
  expect(drawn.image).toBe(examples.image);
  tf.tidy(() => {
    const latents = tf.mul<tf.Tensor4D>(tf.sub(autoencoder.encode(images), 0.5), 2);
    const data = latents.dataSync<'float32'>();
    const direct = task.draw({ image: { data, item: [2, 2, 3] } }, new Random(5));
    expect(drawn.noise).toEqual(direct.noise);
    const [found, expected] = [over.loss(tensors(drawn)), task.loss(tensors(direct))];
    expect(found.loss.dataSync()).toEqual(expected.loss.dataSync());
    // And back.
    const back = fromLatents(latents, { autoencoder, scalingFactor: 2, shiftFactor: 0.5 });
    const difference = tf.max(tf.abs(tf.sub(back, autoencoder.apply(images))));
    expect(difference.dataSync()[0]).toBeLessThan(1e-5);
  });
});

test('latents are drawn anew from the posterior where that is asked for', () => {
  const over = overLatents(task, { autoencoder, parameters, scalingFactor: 1, fromPosterior: true });
  const drawn = over.draw(examples, new Random(5));
  tf.tidy(() => {
    const { mean, logVariance } = autoencoder.posterior(images);
    const noise = tf.tensor4d(drawn.posteriorNoise.data as Float32Array, [3, 2, 2, 3]);
    const z = tf.add(mean, tf.mul(tf.exp(tf.div(logVariance, 2)), noise));
    const { posteriorNoise: _, ...inputs } = tensors(drawn);
    const [found, expected] = [over.loss(tensors(drawn)), task.loss({ ...inputs, image: z })];
    found.loss.dataSync().forEach((value, i) => expect(value).toBeCloseTo(expected.loss.dataSync()[i], 5));
  });
  const vq = createNetwork({ kind: 'vq', ...options });
  expect(() => overLatents(task, { autoencoder: vq, parameters, fromPosterior: true })).toThrow(
    'of a KL autoencoder, and this is none',
  );
});

test('compiled, it has the gradients that it has on the cpu, and none of the autoencoder', async () => {
  const over = overLatents(task, { autoencoder, parameters, scalingFactor: 2 });
  const drawn = over.draw(examples, new Random(5));
  const current = new Map([['weight', weight.dataSync<'float32'>().slice()]]);
  const expected = await eagerGradients(over)(current, drawn);
  const gradients = await (await prepareExecution('compiled')).gradients(over, drawn);
  const found = await gradients(current, drawn);
  expect([...found.gradients.keys()]).toEqual(['weight']);
  found.gradients
    .get('weight')!
    .forEach((value, i) => expect(value).toBeCloseTo(expected.gradients.get('weight')![i], 3));
  await gradients.dispose();
});

test('mean and standard deviation of latents', () => {
  expect(latentStatistics([1, 3, 5, 7])).toEqual({ mean: 4, std: Math.sqrt(5) });
});
