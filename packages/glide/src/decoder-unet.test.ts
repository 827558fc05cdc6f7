import { denoising, guided, levelAt, uniform, velocity } from '@ddpm/diffusion';
import { prepareExecution } from '@ddpm/execution';
import { namedParameters } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import { cosineSchedule } from '@ddpm/schedules';
import { createClip, withClipVectors } from '@ddpm/text';
import { eagerGradients } from '@ddpm/train';
import type { Arrays, Batch } from '@ddpm/train';
import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { decoderUnet } from './index';

const features = 4;
const tiny = () =>
  decoderUnet({
    ...{ features, contextWidth: 4, imageChannels: 1, modelChannels: 4, channelMult: [1], numResBlocks: 1 },
    ...{ attentionResolutions: [1], groups: 2, numHeads: 2 },
  });

/** Moves all weights, so that none is 0. */
function shaken(network: object): void {
  [...namedParameters(network).values()].forEach((variable, k) =>
    tf.tidy(() =>
      variable.assign(
        tf.add(variable, tf.randomNormal(variable.shape, 0, 0.2, 'float32', k + 1) as unknown as typeof variable),
      ),
    ),
  );
}

test('is told the vector of an image; guided, of none as well', async () => {
  const network = tiny();
  shaken(network);
  expect(network.conditions).toEqual(['imageEmbedding']);
  const x = tf.tensor4d(new Random(1).normals(32), [2, 4, 4, 1]);
  const level = levelAt(cosineSchedule({ timesteps: 10 }), 5);
  const vectors = tf.tensor2d(new Random(2).normals(8), [2, features]);
  const none = { imageEmbedding: tf.zeros([2, features]) };
  const at = async (scale: number, condition = { imageEmbedding: vectors as tf.Tensor }) => {
    const { x0 } = await guided(network, { parameterisation: velocity, scale, condition, none })(x, level);
    return Array.from(await x0.data());
  };
  const [nothing, whole, twice] = [await at(0), await at(1), await at(2)];
  expect(whole).not.toEqual(nothing);
  twice.forEach((value, i) => expect(value).toBeCloseTo(2 * whole[i] - nothing[i], 4));
  const other = await at(1, { imageEmbedding: tf.neg(vectors) });
  expect(other).not.toEqual(whole);
});

test('is trained on the vectors that a frozen CLIP has of its images, now and then on none, eagerly and compiled', async () => {
  const clip = createClip({
    ...{ imageSize: 4, channels: 1, patchSize: 2, vocabularySize: 5, length: 2 },
    ...{ width: 4, layers: 1, heads: 2, features },
  });
  const network = tiny();
  shaken(network);
  const parameters = namedParameters({ denoiser: network });
  const whole = denoising({
    ...{ network, parameters, parameterisation: velocity },
    levels: uniform(cosineSchedule({ timesteps: 10 })),
  });
  const frozen = namedParameters({ clip });
  const task = withClipVectors(whole, { clip, parameters: frozen, features }, { probability: 0.5 });
  const examples: Batch = { image: { data: new Random(3).normals(16 * 16), item: [4, 4, 1] } };
  const inputs = task.draw(examples, new Random(0));
  const told = [...inputs.told.data].reduce((sum, value) => sum + value);
  expect(told).toBeGreaterThan(2);
  expect(told).toBeLessThan(14);

  // What is told nothing has the loss of a vector of zeros.
  const losses = (batch: Batch) =>
    tf.tidy(() => {
      const given = Object.fromEntries(
        Object.entries(batch).map(([name, { data, item }]) => [name, tf.tensor(data, [16, ...item])]),
      );
      return [...task.loss(given).loss.dataSync()];
    });
  const all = losses({ ...inputs, told: { data: new Float32Array(16).fill(1), item: [] } });
  const mixed = losses(inputs);
  mixed.forEach((value, i) => expect(Math.abs(value - all[i]) < 1e-6).toBe(inputs.told.data[i] === 1));

  const values: Arrays = new Map(
    [...parameters].map(([name, variable]) => [name, variable.dataSync() as Float32Array]),
  );
  const compiled = await (await prepareExecution('compiled')).gradients(task, inputs);
  const [expected, actual] = [await eagerGradients(task)(values, inputs), await compiled(values, inputs)];
  expect(actual.loss).toBeCloseTo(expected.loss, 4);
  expect([...actual.gradients.keys()]).toEqual([...parameters.keys()]);
  for (const [name, gradient] of expected.gradients)
    gradient.forEach((value, i) => expect(actual.gradients.get(name)![i]).toBeCloseTo(value, 3));
  await compiled.dispose();
});
