import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { prepareBackend } from '@ddpm/backend';
import type { CompiledGradients } from '@ddpm/compile';
import { compileGradients } from '@ddpm/compile';
import type { GradientFunction, Network } from '@ddpm/diffusion';
import { adam, eagerGradients, pLossesPerImage } from '@ddpm/diffusion';
import { namedParameters } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import { cosineSchedule } from '@ddpm/schedules';
import * as tf from '@tensorflow/tfjs';
import makeNetwork from './index';
import type { DitOptions } from './index';
import { patchify, unpatchify } from './patches';

const options = { channels: 2, seed: 1, patchSize: 2, dim: 8, depth: 2, heads: 2, mlpRatio: 2 };
const rng = new Random(7);
const shape: [number, number, number, number] = [3, 4, 6, 2];
const size = tf.util.sizeFromShape(shape);
const batch = { xStart: rng.normals(size), noise: rng.normals(size), t: Int32Array.of(0, 9, 19) };
const xt = () => tf.tensor4d(batch.xStart, shape);
const t = () => tf.tensor1d(batch.t, 'int32');
const values = (network: Network) =>
  new Map([...namedParameters(network)].map(([name, variable]) => [name, variable.dataSync<'float32'>().slice()]));

const schedule = cosineSchedule({ timesteps: 20 });
const lossOf = (network: Network) => (x: tf.Tensor4D, noise: tf.Tensor4D, at: tf.Tensor1D) =>
  pLossesPerImage(schedule, network, x, at, noise, { loss: 'l2' });
const eager = (network: Network): GradientFunction =>
  eagerGradients(lossOf(network), namedParameters(network), [shape[1], shape[2], shape[3]]);

/** The network with weights away from where it begins, so that nothing is zero. */
function moved(network: Network): Map<string, Float32Array> {
  const around = new Random(3);
  return new Map([...values(network)].map(([name, data]) => [name, data.map((value) => value + 0.2 * around.normal())]));
}

describe('patches', () => {
  test('are p × p pixels, row by row', () => {
    const image = tf.tensor4d([...Array(24).keys()], [1, 4, 6, 1]);
    const patches = patchify(image, 2);
    expect(patches.shape).toEqual([1, 6, 4]);
    expect([...tf.slice(patches, [0, 4, 0], [1, 1, 4]).dataSync()]).toEqual([14, 15, 20, 21]);
  });
  test('come together again', () => {
    expect([...unpatchify(patchify(xt(), 2), 2, shape).dataSync()]).toEqual([...batch.xStart]);
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
    for (const block of network.blocks) expect([...block.apply(tokens, condition).dataSync()]).toEqual([...tokens.dataSync()]);
  });

  test('is a function of its seed', () => {
    expect(values(makeNetwork(options))).toEqual(values(makeNetwork(options)));
    const [one, other] = [1, 2].map((seed) => values(makeNetwork({ ...options, seed })).get('blocks.0.attention.toQ.weight'));
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
    ['heads that do not divide', () => makeNetwork({ dim: 8, heads: 3 }), 'Dit: dim (8) must be a multiple of 4 and of heads (3)'],
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

describe('its loss and gradients', () => {
  const network = makeNetwork(options);
  const parameters = moved(network);
  let exact: Awaited<ReturnType<GradientFunction>>;
  let program: CompiledGradients;
  beforeAll(async () => {
    exact = await eager(makeNetwork(options))(parameters, batch);
    const loss = lossOf(network) as (...inputs: tf.Tensor[]) => tf.Tensor;
    program = await compileGradients(loss, namedParameters(network), [xt(), xt(), t()]);
  });
  afterAll(() => program.dispose());
  const largestOf = (gradient: Float32Array) => Math.max(...gradient.map(Math.abs));
  /**
   * Largest difference of a gradient from those of the cpu backend, over the largest of its elements; but over the largest of all where it is
   * nothing but rounding: a bias of the keys moves all scores of a query alike.
   */
  const worst = (gradients: ReadonlyMap<string, Float32Array>) =>
    Math.max(
      ...[...exact.gradients].map(([name, expected]) => {
        const largest = name.endsWith('toK.bias') ? Math.max(...[...exact.gradients.values()].map(largestOf)) : largestOf(expected);
        return Math.max(...expected.map((value, i) => Math.abs(value - gradients.get(name)![i]))) / largest;
      }),
    );

  test('are those of finite differences along the gradient', async () => {
    const gradients = eager(makeNetwork(options));
    const norm = Math.sqrt([...exact.gradients.values()].reduce((sum, gradient) => sum + gradient.reduce((s, g) => s + g * g, 0), 0));
    const lossAt = async (step: number) => {
      const at = new Map(
        [...parameters].map(([name, data]) => [name, data.map((value, i) => value + (step * exact.gradients.get(name)![i]) / norm)]),
      );
      return (await gradients(at, batch)).loss;
    };
    const h = 1e-2;
    const slope = ((await lossAt(h)) - (await lossAt(-h))) / (2 * h);
    expect(exact.gradients.size).toBe(parameters.size);
    expect(Math.abs(slope / norm - 1)).toBeLessThan(1e-3);
  });

  test('are the same compiled', async () => {
    const { loss, gradients } = await program.run(parameters, [batch.xStart, batch.noise, batch.t]);
    expect(Math.abs(loss / exact.loss - 1)).toBeLessThan(1e-5);
    expect(worst(gradients)).toBeLessThan(1e-4);
  });

  test('are the same on wasm', async () => {
    await prepareBackend('wasm');
    try {
      const { loss, gradients } = await eager(makeNetwork(options))(parameters, batch);
      expect(Math.abs(loss / exact.loss - 1)).toBeLessThan(1e-5);
      expect(worst(gradients)).toBeLessThan(1e-4);
    } finally {
      await tf.setBackend('cpu');
    }
  });

  test('make the loss fall', async () => {
    const current = values(network);
    const optimizer = adam();
    const losses: number[] = [];
    for (let step = 0; step < 60; step++) {
      const { loss, gradients: found } = await program.run(current, [batch.xStart, batch.noise, batch.t]);
      losses.push(loss);
      optimizer.update(current, found, 0.01);
    }
    // It begins at an output of zero, where the loss is the mean square of the noise.
    expect(losses[0]).toBeCloseTo(batch.noise.reduce((sum, z) => sum + z * z, 0) / size, 5);
    expect(losses[59]).toBeLessThan(losses[0] / 2);
  });
});
