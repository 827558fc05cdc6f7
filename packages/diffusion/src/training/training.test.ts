import { Random } from '@ddpm/random';
import { cosineSchedule } from '@ddpm/schedules';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { LossFunction, Network, TrainStep } from '../index';
import { adam, eagerGradients, pLosses, pLossesPerImage, train, trainEngine } from '../index';

const schedule = cosineSchedule({ timesteps: 10 });

/** ε̂ = a·x_t + b, whose parameters and gradients are easy to know. */
function affine() {
  const parameters = new Map([
    ['a', tf.variable(tf.scalar(0.1))],
    ['b', tf.variable(tf.scalar(-0.2))],
  ]);
  const network: Network = { apply: (xt) => tf.add<tf.Tensor4D>(tf.mul(xt, parameters.get('a')!), parameters.get('b')!) };
  const initial = new Map([...parameters].map(([name, variable]) => [name, variable.dataSync<'float32'>()]));
  const lossFunction: LossFunction = (x0, noise, t) => pLosses(schedule, network, x0, t, noise, { loss: 'l2' });
  return { network, parameters, initial, lossFunction };
}

const rng = new Random(9);
const batch = (n: number) => ({ xStart: rng.normals(n * 4), noise: rng.normals(n * 4), t: rng.integers(n, 10) });

describe('adam', () => {
  test('follows Algorithm 1 of Kingma & Ba', () => {
    const parameters = new Map([['w', Float32Array.of(1, -2)]]);
    const optimizer = adam();
    let [m, v, w] = [0, 0, 1];
    for (let k = 1; k <= 4; k++) {
      const g = Math.sin(k);
      optimizer.update(parameters, new Map([['w', Float32Array.of(g, 0)]]), 0.01);
      m = 0.9 * m + 0.1 * g;
      v = 0.999 * v + 0.001 * g * g;
      w -= (0.01 * (m / (1 - 0.9 ** k))) / (Math.sqrt(v / (1 - 0.999 ** k)) + 1e-8);
      expect(parameters.get('w')![0]).toBeCloseTo(w, 6);
    }
    expect(parameters.get('w')![1]).toBe(-2);
  });
});

describe('eagerGradients', () => {
  test('agree with finite differences, and leave no tensor behind', async () => {
    const { parameters, initial, lossFunction } = affine();
    const gradients = eagerGradients(lossFunction, parameters, [2, 2, 1]);
    const data = batch(3);
    const before = tf.memory().numTensors;
    const result = await gradients(initial, data);
    for (const name of ['a', 'b']) {
      const at = async (change: number) => {
        const moved = new Map(initial).set(name, Float32Array.of(initial.get(name)![0] + change));
        return (await gradients(moved, data)).loss;
      };
      expect(result.gradients.get(name)![0]).toBeCloseTo(((await at(1e-2)) - (await at(-1e-2))) / 2e-2, 3);
    }
    expect(tf.memory().numTensors).toBe(before);
  });

  test('take a loss for each image as well as their mean', async () => {
    const { parameters, initial, lossFunction, network } = affine();
    const perImage: LossFunction = (x0, noise, t) => pLossesPerImage(schedule, network, x0, t, noise, { loss: 'l2' });
    const data = batch(3);
    const mean = await eagerGradients(lossFunction, parameters, [2, 2, 1])(initial, data);
    const each = await eagerGradients(perImage, parameters, [2, 2, 1])(initial, data);
    expect(each.loss).toBeCloseTo(mean.loss, 6);
    expect(each.gradients.get('a')![0]).toBeCloseTo(mean.gradients.get('a')![0], 6);
  });

  test('hand the condition to the loss', async () => {
    const { parameters, initial } = affine();
    const shapes: string[] = [];
    const lossFunction: LossFunction = (x0, _noise, _t, condition) => {
      for (const [name, x] of Object.entries(condition!)) shapes.push(`${name} ${x.dtype} [${x.shape.join()}]`);
      return tf.mul(tf.mean(x0), parameters.get('a')!);
    };
    const condition = { label: Int32Array.of(1, 2), embedding: new Float32Array(6) };
    const { gradients } = await eagerGradients(lossFunction, parameters, [2, 2, 1])(initial, { ...batch(2), condition });
    expect(shapes).toEqual(['label int32 [2]', 'embedding float32 [2,3]']);
    expect([...gradients.keys()]).toEqual(['a']);
  });
});

describe('train', () => {
  const images = rng.normals(10 * 4);
  /** Ten images in batches of four; epochs differ in where they begin. */
  const batches = async function* ({ epoch, start }: { epoch: number; start: number }) {
    for (let i = start; i < 3; i++) {
      await Promise.resolve();
      const size = i < 2 ? 4 : 2;
      yield { images: Float32Array.from({ length: size * 4 }, (_, j) => images[(j + 16 * i + 7 * epoch) % 40]), size };
    }
  };
  const make = () => {
    const { parameters, initial, lossFunction } = affine();
    return trainEngine({ parameters: initial, gradients: eagerGradients(lossFunction, parameters, [2, 2, 1]) });
  };
  const options = { batches, batchesPerEpoch: 3, timesteps: 10, learningRate: 0.05, seed: 1 };
  const collect = async (steps: AsyncIterable<TrainStep>) => {
    const all: TrainStep[] = [];
    for await (const step of steps) all.push(step);
    return all;
  };

  test('goes through the epochs, the last partial batch included, and learns', async () => {
    const log = await collect(train({ ...options, engine: make(), steps: 60 }));
    expect(log.slice(0, 5).map(({ step, epoch, size }) => [step, epoch, size])).toEqual([
      [0, 0, 4],
      [1, 0, 4],
      [2, 0, 2],
      [3, 1, 4],
      [4, 1, 4],
    ]);
    const mean = (part: TrainStep[]) => part.reduce((sum, { loss }) => sum + loss, 0) / part.length;
    expect(mean(log.slice(-20))).toBeLessThan(0.9 * mean(log.slice(0, 6)));
    expect(log[0].gradNorm).toBeGreaterThan(0);
  });

  test('goes on from a saved state to bit-identical parameters, mid-epoch', async () => {
    const whole = make();
    const log = await collect(train({ ...options, engine: whole, steps: 11 }));
    const first = make();
    await collect(train({ ...options, engine: first, steps: 5 }));
    const second = make();
    await second.restore(await first.state());
    const rest = await collect(train({ ...options, engine: second, start: 5, steps: 11 }));
    expect(rest).toEqual(log.slice(5));
    expect(await second.state()).toEqual(await whole.state());
  });

  test('asks for the learning rate of each step', async () => {
    const log = await collect(train({ ...options, engine: make(), steps: 3, learningRate: (step) => step / 10 }));
    expect(log.map(({ learningRate }) => learningRate)).toEqual([0, 0.1, 0.2]);
  });

  test('a state of another engine is refused, and nothing changes', async () => {
    const engine = make();
    const state = await engine.state();
    await expect(engine.restore(new Map([...state, ['parameters/c', new Float32Array(1)]]))).rejects.toThrow(
      "TrainEngine.restore: parameters/c with 1 elements is not part of this engine's state",
    );
    await expect(engine.restore(new Map([['parameters/a', Float32Array.of(5)]]))).rejects.toThrow(
      'TrainEngine.restore: parameters/b is missing',
    );
    expect(await engine.state()).toEqual(state);
  });
});
