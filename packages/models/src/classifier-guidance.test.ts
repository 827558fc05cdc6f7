import { ancestral, ddim, sample, trailing } from '@ddpm/diffusion';
import type { Denoise, Sampler } from '@ddpm/diffusion';
import { prepareExecution } from '@ddpm/execution';
import { Random } from '@ddpm/random';
import { linearSchedule } from '@ddpm/schedules';
import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs';
import { classifierGuidance } from './index';

/** Images whose shade is −1 or 1: logits are ±x̄ by a weight, and the network sees no class. */
const weight = tf.variable(tf.tensor2d([[-3, 3]]));
const classifier = {
  ...{ classNames: ['dark', 'light'], image: [2, 2, 1] as const, parameters: new Map([['classifier.w', weight]]) },
  network: {
    apply: (x: tf.Tensor4D) => tf.matMul<tf.Tensor2D>(tf.reshape(tf.mean(x, [1, 2, 3]), [-1, 1]), weight),
  },
};
const denoise: Denoise = (x) => Promise.resolve({ x0: tf.tidy(() => tf.tanh(tf.mul(x, 2))) });
const levels = trailing(linearSchedule({ timesteps: 1000 }), 20);

test.each<[string, Sampler, { levels: typeof levels } | undefined]>([
  ['ddim', ddim(levels), undefined],
  ['ancestral', ancestral(levels), { levels }],
])('leads each image of a batch to its own class, compiled as on the cpu backend: %s', async (_, sampler, chain) => {
  const classes = [0, 1, 1, 0, 0, 1];
  const drawn: Float32Array[] = [];
  for (const name of ['compiled', 'cpu'] as const) {
    const options = { scale: 8, ...(chain && { ancestral: chain }) };
    const guidance = await classifierGuidance(await prepareExecution(name), classifier, options);
    const rng = new Random(4);
    const xT = tf.tensor4d(rng.normals(24), [6, 2, 2, 1]);
    const before = tf.memory().numTensors;
    const x0 = await sample(guidance.guide(denoise, classes), xT, { sampler, rng });
    expect(tf.memory().numTensors).toBe(before + 1);
    drawn.push(await x0.data<'float32'>());
    tf.mean(x0, [1, 2, 3])
      .dataSync()
      .forEach((shade, i) => expect(Math.sign(shade)).toBe(classes[i] === 1 ? 1 : -1));
    expect(() => guidance.guide(denoise, [2])).toThrow('classifierGuidance: classes are 0 to 1, got 2');
    await guidance.dispose();
  }
  drawn[0].forEach((value, i) => expect(value).toBeCloseTo(drawn[1][i], 3));
});
