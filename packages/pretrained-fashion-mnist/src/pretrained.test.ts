import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { readCheckpoint } from '@ddpm/checkpoint';
import { fashionMnistWeights } from '@ddpm/classifier';
import { prepareExecution } from '@ddpm/execution';
import { compileNetwork, draw, labels, loadClassifier, loadDenoiser, samplerFor } from '@ddpm/models';
import * as tf from '@tensorflow/tfjs';
import { expect, test } from '@jest/globals';
import { checkpoint } from './index';

test('the model draws the garments that are asked for, as a classifier sees them, and is small', async () => {
  const file = fileURLToPath(checkpoint);
  expect((await stat(file)).size).toBeLessThan(8e6);
  const { network, parameters, parameterisation, levels, image } = await loadDenoiser(await readCheckpoint(file));
  const classifier = await loadClassifier(await readCheckpoint(fileURLToPath(fashionMnistWeights)));
  const execution = await prepareExecution();
  const [count, classes] = [30, 10];
  const condition = labels(count, { classes });
  const run = await compileNetwork(execution, network, { parameters, image, condition, fixed: true });
  const sampler = samplerFor({ steps: 12 }, levels);
  const images = await draw({ network: run, parameterisation, sampler, image, condition, count, seed: 1 });
  await run.dispose();
  const seen = tf.tidy(() => tf.argMax(classifier.network.apply(tf.tensor4d(images, [count, ...image])), 1).dataSync());
  const right = seen.filter((label, i) => label === i % classes).length;
  expect(right).toBeGreaterThanOrEqual(20);
});
