import { denoising, l2, uniform } from '@ddpm/diffusion';
import { Random } from '@ddpm/random';
import { linearSchedule } from '@ddpm/schedules';
import { tensors } from '@ddpm/train';
import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { AutoencoderKl, encodings, fromLatents, latentStatistics, overLatents, samplePosterior } from './index';
import createNetwork from './index';

const options = { imageChannels: 1, blockOutChannels: [2, 2], normNumGroups: 1, latentChannels: 3 };
const autoencoder = new AutoencoderKl({ ...options, midBlockAddAttention: false });
const images = tf.tensor4d(new Random(1).normals(3 * 16), [3, 4, 4, 1]);

/** A denoiser of whatever has three channels. */
const weight = tf.variable(tf.tensor4d(new Random(2).normals(9), [1, 1, 3, 3]));
const task = denoising({
  network: { apply: (x: tf.Tensor4D) => tf.conv2d(x, weight, 1, 'same') },
  parameters: new Map([['weight', weight]]),
  levels: uniform(linearSchedule({ timesteps: 10 })),
  loss: l2,
});

/** The autoencoder's encodings of the images, as examples. */
const encoded = (made = encodings(autoencoder, images)) => ({
  image: { data: made.dataSync<'float32'>(), item: made.shape.slice(1) },
});

test('a task over latents is the task of the latents, scaled', () => {
  const over = overLatents(task, { latentChannels: 3, scalingFactor: 2, shiftFactor: 0.5 });
  const drawn = over.draw(encoded(), new Random(5));
  tf.tidy(() => {
    const latents = tf.mul<tf.Tensor4D>(tf.sub(autoencoder.encode(images), 0.5), 2);
    const data = latents.dataSync<'float32'>();
    const direct = task.draw({ image: { data, item: [2, 2, 3] } }, new Random(5));
    expect(drawn).toEqual(direct);
    expect(over.loss(tensors(drawn)).loss.dataSync()).toEqual(task.loss(tensors(direct)).loss.dataSync());
    // And back.
    const back = fromLatents(latents, { autoencoder, scalingFactor: 2, shiftFactor: 0.5 });
    const difference = tf.max(tf.abs(tf.sub(back, autoencoder.apply(images))));
    expect(difference.dataSync()[0]).toBeLessThan(1e-5);
  });
  // Of an autoencoder without a posterior, latents are what it says.
  const vq = createNetwork({ kind: 'vq', ...options });
  const said = encoded(encodings(vq, images));
  expect(overLatents(task, { latentChannels: 3 }).draw(said, new Random(5)).image).toEqual(said.image);
});

test('latents are drawn anew from the posterior where that is asked for', () => {
  const over = overLatents(task, { latentChannels: 3, fromPosterior: true });
  const { image } = over.draw(encoded(), new Random(5));
  const noise = tf.tensor4d(new Random(5).normals(3 * 12), [3, 2, 2, 3]);
  const z = samplePosterior(autoencoder.posterior(images), noise).dataSync();
  image.data.forEach((value, i) => expect(value).toBeCloseTo(z[i], 5));
  expect(over.draw(encoded(), new Random(6)).image).not.toEqual(image);
  expect(() => over.draw({ image: { data: new Float32Array(12), item: [2, 2, 3] } }, new Random(5))).toThrow(
    'overLatents: encodings should have 6 channels, got 3',
  );
});

test('mean and standard deviation of latents', () => {
  expect(latentStatistics([1, 3, 5, 7])).toEqual({ mean: 4, std: Math.sqrt(5) });
});
