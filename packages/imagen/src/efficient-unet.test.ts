import { denoising, superResolution, uniform, velocity } from '@ddpm/diffusion';
import { prepareExecution } from '@ddpm/execution';
import { namedParameters, pixelShuffle, silu, sinusoidalEmbedding } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import { cosineSchedule } from '@ddpm/schedules';
import type { Arrays, Batch } from '@ddpm/train';
import { eagerGradients } from '@ddpm/train';
import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import createNetwork, { EfficientUnet } from './index';

/** Moves all weights, so that none is 0. */
function shaken<T extends object>(network: T): T {
  [...namedParameters(network).values()].forEach((variable, k) =>
    tf.tidy(() =>
      variable.assign(tf.add(variable, tf.mul(tf.tensor(new Random(k).normals(variable.size), variable.shape), 0.2))),
    ),
  );
  return network;
}
const tiny = { modelChannels: 4, channelMult: [1, 2], numResBlocks: [1, 2], groups: 2, numHeads: 2 };

test('halves before the blocks, doubles behind them, and counts what it skips 1/√2', () => {
  const network = shaken(new EfficientUnet({ ...tiny, imageChannels: 2, outChannels: 1 }));
  const x = tf.tensor4d(new Random(1).normals(64), [2, 4, 4, 2]);
  const t = tf.tensor1d([3, 70]);
  const before = tf.memory().numTensors;
  const out = network.apply(x, t);
  expect(tf.memory().numTensors).toBe(before + 1);
  expect(out.shape).toEqual([2, 4, 4, 1]);

  const emb = silu(network.time.apply(sinusoidalEmbedding(t, { dim: 4, cosFirst: true })));
  const [half, quarter] = network.downs;
  const [upQuarter, upHalf] = network.ups;
  const half1 = half.blocks[0].apply(half.down.apply(network.inConv.apply(x)), emb);
  expect(half1.shape).toEqual([2, 2, 2, 4]);
  let h = quarter.down.apply(half1);
  for (const block of quarter.blocks) h = block.apply(h, emb);
  const quarter1 = quarter.attention!.apply(h);
  const joined = (image: tf.Tensor4D, skip: tf.Tensor4D) =>
    tf.concat([image, tf.div<tf.Tensor4D>(skip, Math.SQRT2)], 3);
  h = joined(quarter1, quarter1);
  for (const block of upQuarter.blocks) h = block.apply(h, emb);
  h = pixelShuffle(upQuarter.up.apply(upQuarter.attention!.apply(h)), 2);
  h = pixelShuffle(upHalf.up.apply(upHalf.blocks[0].apply(joined(h, half1), emb)), 2);
  const expected = network.outConv.apply(silu(network.outNorm.apply(h))).dataSync();
  out.dataSync().forEach((value, i) => expect(value).toBeCloseTo(expected[i], 5));
});

test('is a stage of a cascade, whose gradients are the same eagerly and compiled', async () => {
  const network = superResolution(shaken(createNetwork({ ...tiny, channels: 3, outChannels: 1 })));
  const parameters = namedParameters({ denoiser: network });
  const task = denoising({
    ...{ network, parameters, parameterisation: velocity },
    levels: uniform(cosineSchedule({ timesteps: 10 })),
  });
  const rng = new Random(3);
  const image = { data: rng.normals(32), item: [4, 4, 1] };
  const batch: Batch = task.draw(
    { image, lowRes: { ...image, data: rng.normals(32) }, augmentation: { data: Float32Array.of(0, 0.2), item: [] } },
    new Random(4),
  );
  const values: Arrays = new Map([...parameters].map(([name, value]) => [name, value.dataSync<'float32'>().slice()]));
  const eager = await eagerGradients(task)(values, batch);
  const execution = await prepareExecution('compiled');
  const compiled = await execution.gradients(task, batch);
  const { loss, gradients } = await compiled(values, batch);
  expect(loss).toBeCloseTo(eager.loss, 5);
  for (const [name, gradient] of eager.gradients)
    gradient.forEach((value, i) => expect(gradients.get(name)![i]).toBeCloseTo(value, 3));
  await compiled.dispose();
});

test.each([
  [{ modelChannels: 5 }, 'EfficientUnet: modelChannels must be an even number of at least 4'],
  [
    { numResBlocks: [1] },
    'EfficientUnet: numResBlocks must be at least 1 for each level of channelMult, got [1] for [1, 2]',
  ],
  [{ groups: 3 }, 'EfficientUnet: groups (3) must divide every width, but not so 4'],
  [{ attentionResolutions: [1] }, 'EfficientUnet: attentionResolutions are some of 2, 4, got 1'],
])('refuses %j', (options, message) => {
  expect(() => new EfficientUnet({ ...tiny, ...options })).toThrow(message);
});

test('refuses images that cannot be halved as often', () => {
  const network = new EfficientUnet(tiny);
  expect(() => network.apply(tf.zeros([1, 6, 4, 3]), tf.tensor1d([1]))).toThrow(
    'EfficientUnet: height and width must be multiples of 4, since 2 levels halve them; got 6×4',
  );
});
