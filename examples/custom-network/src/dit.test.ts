import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Network } from '@ddpm/diffusion';
import { denoising, l2, uniform } from '@ddpm/diffusion';
import type { Execution } from '@ddpm/execution';
import { prepareExecution } from '@ddpm/execution';
import { namedParameters } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import { cosineSchedule } from '@ddpm/schedules';
import type { Batch, Gradients } from '@ddpm/train';
import { adam, eagerGradients } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs';
import makeNetwork from './index';
import type { DitOptions } from './index';
import { patchify, unpatchify } from './patches';

const options = { channels: 2, seed: 1, patchSize: 2, dim: 8, depth: 2, heads: 2, mlpRatio: 2 };
const rng = new Random(7);
const shape: [number, number, number, number] = [3, 4, 6, 2];
const size = tf.util.sizeFromShape(shape);
const images = {
  image: { data: rng.normals(size), item: shape.slice(1) },
  label: { data: Int32Array.of(0, 2, 1), item: [] },
};
const xt = () => tf.tensor4d(images.image.data, shape);
const t = () => tf.tensor1d([0, 9, 19]);
const values = (network: Network) =>
  new Map([...namedParameters(network)].map(([name, variable]) => [name, variable.dataSync<'float32'>().slice()]));

const taskOf = (network: Network) =>
  denoising({
    network,
    parameters: namedParameters(network),
    levels: uniform(cosineSchedule({ timesteps: 20 })),
    loss: l2,
  });

/** The network with weights away from where it begins, so that nothing is zero. */
function moved(network: Network): Map<string, Float32Array> {
  const around = new Random(3);
  return new Map(
    [...values(network)].map(([name, data]) => [name, data.map((value) => value + 0.2 * around.normal())]),
  );
}

describe('patches', () => {
  test('are p × p pixels, row by row', () => {
    const image = tf.tensor4d([...Array(24).keys()], [1, 4, 6, 1]);
    const patches = patchify(image, 2);
    expect(patches.shape).toEqual([1, 6, 4]);
    expect([...tf.slice(patches, [0, 4, 0], [1, 1, 4]).dataSync()]).toEqual([14, 15, 20, 21]);
  });
  test('come together again', () => {
    expect([...unpatchify(patchify(xt(), 2), 2, shape).dataSync()]).toEqual([...images.image.data]);
  });
});

describe('the network', () => {
  test('begins with an output of zero, shaped like x_t, and keeps nothing', () => {
    const network = makeNetwork(options);
    const [x, at] = [xt(), t()];
    const before = tf.memory().numTensors;
    const output = network.apply(x, at);
    expect(output.shape).toEqual(shape);
    expect([...output.dataSync()].every((value) => value === 0)).toBe(true);
    expect(tf.memory().numTensors).toBe(before + 1);
  });

  test('begins with blocks that change nothing', () => {
    const network = makeNetwork(options);
    const tokens = tf.tensor3d(rng.normals(48), [1, 6, 8]);
    const condition = tf.tensor2d(rng.normals(8), [1, 8]);
    for (const block of network.blocks)
      expect([...block.apply(tokens, condition).dataSync()]).toEqual([...tokens.dataSync()]);
  });

  test('is a function of its seed', () => {
    expect(values(makeNetwork(options))).toEqual(values(makeNetwork(options)));
    const [one, other] = [1, 2].map((seed) =>
      values(makeNetwork({ ...options, seed })).get('blocks.0.attention.toQ.weight'),
    );
    expect(one).not.toEqual(other);
  });

  test('names its parameters by path', () => {
    const shapes = [...namedParameters(makeNetwork({ ...options, depth: 1 }))].map(
      ([name, variable]) => `${name} ${variable.shape.join('×')}`,
    );
    expect(shapes.filter((line) => line.includes('weight'))).toEqual([
      'patchEmbedding.weight 8×8',
      'timestepEmbedding.linear1.weight 256×8',
      'timestepEmbedding.linear2.weight 8×8',
      'blocks.0.attention.toQ.weight 8×8',
      'blocks.0.attention.toK.weight 8×8',
      'blocks.0.attention.toV.weight 8×8',
      'blocks.0.attention.toOut.weight 8×8',
      'blocks.0.mlp.linear1.weight 8×16',
      'blocks.0.mlp.linear2.weight 16×8',
      'blocks.0.adaLn.weight 8×48',
      'final.adaLn.weight 8×16',
      'final.linear.weight 8×8',
    ]);
    expect(shapes).toHaveLength(24);
  });

  test.each<[string, () => unknown, string]>([
    ['a misspelt option', () => makeNetwork({ width: 64 } as DitOptions), 'Dit: there is no option width'],
    [
      'heads that do not divide',
      () => makeNetwork({ dim: 8, heads: 3 }),
      'Dit: dim (8) must be a multiple of 4 and of heads (3)',
    ],
    ['no blocks', () => makeNetwork({ depth: 0 }), 'Dit: depth must be a whole number of at least 1, got 0'],
    [
      'a size that patches do not cover',
      () => makeNetwork({ ...options, patchSize: 4 }).apply(xt(), t()),
      'Dit: height and width must be multiples of patchSize (4), got 4×6',
    ],
  ])('refuses %s', (_, make, message) => {
    expect(make).toThrow(message);
  });
});

describe.each([0, 3])('its loss and gradients, with %i classes', (classes) => {
  const make = () => makeNetwork({ ...options, classes });
  const network = make();
  const task = taskOf(network);
  const batch: Batch = task.draw(images, new Random(1));
  const parameters = moved(network);
  let exact: Awaited<ReturnType<Gradients>>;
  let compiled: Gradients;
  let execution: Execution;
  beforeAll(async () => {
    execution = await prepareExecution('compiled');
    exact = await eagerGradients(taskOf(make()))(parameters, batch);
    compiled = await execution.gradients(task, batch);
  });
  afterAll(() => compiled.dispose());
  const largestOf = (gradient: Float32Array) => Math.max(...gradient.map(Math.abs));
  /**
   * Largest difference of a gradient from those of the cpu backend, over the largest of its elements; but over the
   * largest of all where it is nothing but rounding: a bias of the keys moves all scores of a query alike.
   */
  const worst = (gradients: ReadonlyMap<string, Float32Array>) =>
    Math.max(
      ...[...exact.gradients].map(([name, expected]) => {
        const largest = name.endsWith('toK.bias')
          ? Math.max(...[...exact.gradients.values()].map(largestOf))
          : largestOf(expected);
        return Math.max(...expected.map((value, i) => Math.abs(value - gradients.get(name)![i]))) / largest;
      }),
    );

  test('are those of finite differences along the gradient', async () => {
    const gradients = eagerGradients(taskOf(make()));
    const norm = Math.sqrt(
      [...exact.gradients.values()].reduce((sum, gradient) => sum + gradient.reduce((s, g) => s + g * g, 0), 0),
    );
    const lossAt = async (step: number) => {
      const at = new Map(
        [...parameters].map(([name, data]) => [
          name,
          data.map((value, i) => value + (step * exact.gradients.get(name)![i]) / norm),
        ]),
      );
      return (await gradients(at, batch)).loss;
    };
    const h = 1e-2;
    const slope = ((await lossAt(h)) - (await lossAt(-h))) / (2 * h);
    expect(exact.gradients.size).toBe(parameters.size);
    expect(Math.abs(slope / norm - 1)).toBeLessThan(1e-3);
  });

  test('are the same compiled', async () => {
    const { loss, gradients } = await compiled(parameters, batch);
    expect(Math.abs(loss / exact.loss - 1)).toBeLessThan(1e-5);
    expect(worst(gradients)).toBeLessThan(1e-4);
  });

  test('are the same on wasm', async () => {
    const wasm = await prepareExecution('wasm');
    try {
      const { loss, gradients } = await (await wasm.gradients(taskOf(make()), batch))(parameters, batch);
      expect(Math.abs(loss / exact.loss - 1)).toBeLessThan(1e-5);
      expect(worst(gradients)).toBeLessThan(1e-4);
    } finally {
      await tf.setBackend('cpu');
    }
  });

  test('make the loss fall', async () => {
    const current = values(make());
    const optimizer = adam()(current);
    const losses: number[] = [];
    for (let step = 0; step < 60; step++) {
      const { loss, gradients } = await compiled(current, batch);
      losses.push(loss);
      optimizer.update(current, gradients, 0.01);
    }
    // It begins at an output of zero, where the loss is the mean square of the noise.
    expect(losses[0]).toBeCloseTo(Array.from(batch.noise.data).reduce((sum, z) => sum + z * z, 0) / size, 5);
    expect(losses[59]).toBeLessThan(losses[0] / 2);
  });
});
