import { Random } from '@ddpm/random';
import { cosineSchedule } from '@ddpm/schedules';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { LossFunction, Network, TrainStep } from '../index';
import { adam, eagerGradients, ema, inParts, learningRate, minSnrWeights, pLosses, pLossesPerImage, train, trainEngine } from '../index';

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

describe('adam with weight decay', () => {
  test('also shrinks every parameter by learningRate·weightDecay (AdamW)', () => {
    const [plain, decayed] = [0, 0.1].map((weightDecay) => {
      const parameters = new Map([['w', Float32Array.of(2)]]);
      adam({ weightDecay }).update(parameters, new Map([['w', Float32Array.of(0.5)]]), 0.01);
      return parameters.get('w')![0];
    });
    expect(plain - decayed).toBeCloseTo(0.01 * 0.1 * 2, 6);
  });
});

describe('ema', () => {
  test('is d·ema + (1 − d)·weights with d = min(decay, (1 + k)/(10 + k))', () => {
    const average = ema(new Map([['w', Float32Array.of(1)]]), { decay: 0.15 });
    let expected = 1;
    for (const [k, w] of [3, -1, 4].entries()) {
      average.update(new Map([['w', Float32Array.of(w)]]));
      const d = Math.min(0.15, (1 + k) / (10 + k));
      expected = d * expected + (1 - d) * w;
      expect(average.weights.get('w')![0]).toBeCloseTo(expected, 6);
    }
  });
});

describe('learningRate', () => {
  test('warms up, then stays, or falls to 0 in a line or along a cosine', () => {
    const rates = (decay: 'constant' | 'linear' | 'cosine') => {
      const rate = learningRate({ base: 1, warmup: 2, decay, steps: 6 });
      return [0, 1, 2, 3, 4, 5, 6].map((step) => Number(rate(step).toFixed(4)));
    };
    expect(rates('constant')).toEqual([0.5, 1, 1, 1, 1, 1, 1]);
    expect(rates('linear')).toEqual([0.5, 1, 1, 0.75, 0.5, 0.25, 0]);
    expect(rates('cosine')).toEqual([0.5, 1, 1, 0.8536, 0.5, 0.1464, 0]);
  });
});

describe('minSnrWeights', () => {
  test('make the weighted losses of ε, x_0 and v the same where the network is the same', () => {
    // At equal error of x̂_0, the squared errors are as ε : x_0 : v = SNR : 1 : SNR + 1 (v after rescaling), so weight·error must agree.
    const snr = schedule.alphasCumprod.map((a) => a / (1 - a));
    const [e, x, v] = (['epsilon', 'xStart', 'velocity'] as const).map((objective) => minSnrWeights(schedule, objective, 5));
    snr.forEach((r, t) => {
      expect(x[t]).toBe(Math.min(r, 5));
      expect(e[t] * r).toBeCloseTo(x[t], 10);
      expect(v[t] * (r + 1)).toBeCloseTo(x[t], 10);
    });
  });
  test('weigh the loss of each image', () => {
    const { network } = affine();
    const t = tf.tensor1d([1, 8], 'int32');
    const x = tf.tensor4d(rng.normals(8), [2, 2, 2, 1]);
    const weights = minSnrWeights(schedule, 'epsilon');
    const [plain, weighted] = [undefined, weights].map((w) => pLossesPerImage(schedule, network, x, t, x, { weights: w }).dataSync());
    plain.forEach((loss, i) => expect(weighted[i]).toBeCloseTo(loss * weights[[1, 8][i]], 5));
  });
});

describe('inParts', () => {
  test('averages the parts to the whole, the last and smaller one included', async () => {
    const { parameters, initial, network } = affine();
    const lossFunction: LossFunction = (x0, noise, t) => pLossesPerImage(schedule, network, x0, t, noise);
    const whole = eagerGradients(lossFunction, parameters, [2, 2, 1]);
    const data = { ...batch(7), condition: { label: Int32Array.of(0, 1, 2, 3, 4, 5, 6) } };
    const [expected, actual] = [await whole(initial, data), await inParts(whole, 3)(initial, data)];
    expect(actual.loss).toBeCloseTo(expected.loss, 6);
    expect([...actual.losses!]).toEqual([...expected.losses!]);
    for (const name of ['a', 'b']) expect(actual.gradients.get(name)![0]).toBeCloseTo(expected.gradients.get(name)![0], 6);
  });
});

describe('trainEngine', () => {
  const engineWith = (gradient: number[], options: { clipNorm?: number; emaDecay?: number } = {}, loss = 1) =>
    trainEngine({
      parameters: new Map([['w', Float32Array.of(1, 1)]]),
      gradients: () => Promise.resolve({ loss, gradients: new Map([['w', Float32Array.from(gradient)]]) }),
      // Plain descent shows the gradient as it was taken.
      optimizer: {
        update: (parameters, gradients, rate) => parameters.get('w')!.forEach((_, i, w) => (w[i] -= rate * gradients.get('w')![i])),
        state: () => new Map([['step', Float32Array.of(0)]]),
        restore: () => undefined,
      },
      ...options,
    });

  test('scales a gradient that is too long down to the norm allowed, and reports its own norm', async () => {
    const engine = engineWith([3, 4], { clipNorm: 1 });
    expect((await engine.step(batch(1), { learningRate: 1 })).gradNorm).toBe(5);
    expect(engine.parameters().get('w')![0]).toBeCloseTo(1 - 0.6, 6);
    const short = engineWith([0.3, 0.4], { clipNorm: 1 });
    await short.step(batch(1), { learningRate: 1 });
    expect(short.parameters().get('w')![0]).toBeCloseTo(0.7, 6);
  });

  test.each([
    ['loss', [1, 1], NaN],
    ['gradient', [1, Infinity], 1],
  ])('does not take a step whose %s is not finite', async (_, gradient, loss) => {
    const engine = engineWith(gradient, { emaDecay: 0.5 }, loss);
    expect((await engine.step(batch(1), { learningRate: 1 })).skipped).toBe(true);
    expect([...engine.parameters().get('w')!, ...engine.averaged().get('w')!]).toEqual([1, 1, 1, 1]);
  });

  test('keeps the moving average beside the parameters, and in its state', async () => {
    const engine = engineWith([1, 0], { emaDecay: 0.5 });
    await engine.step(batch(1), { learningRate: 1 });
    expect(engine.averaged().get('w')![0]).toBeCloseTo(0.1, 6);
    const other = engineWith([0, 0], { emaDecay: 0.5 });
    await other.restore(await engine.state());
    expect(other.averaged()).toEqual(engine.averaged());
    expect(await other.state()).toEqual(await engine.state());
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
    const other = new Map([...state, ['parameters/c', new Float32Array(1)], ['parameters/a', new Float32Array(2)]]);
    other.delete('parameters/b');
    await expect(engine.restore(other)).rejects.toThrow(
      "TrainEngine.restore: parameters/a should have 1 elements, not 2; parameters/b is missing; parameters/c is not part of this engine's state",
    );
    expect(await engine.state()).toEqual(state);
  });
});
