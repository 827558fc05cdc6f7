import { describe, expect, test } from '@jest/globals';
import type { OptimizerFor } from './index';
import { adam, ema, learningRate, sgd } from './index';

const one = (...values: number[]) => new Map([['w', Float32Array.from(values)]]);

describe('adam', () => {
  test('follows Algorithm 1 of Kingma & Ba', () => {
    const parameters = one(1, -2);
    const optimizer = adam()(parameters);
    let [m, v, w] = [0, 0, 1];
    for (let k = 1; k <= 4; k++) {
      const g = Math.sin(k);
      optimizer.update(parameters, one(g, 0), 0.01);
      m = 0.9 * m + 0.1 * g;
      v = 0.999 * v + 0.001 * g * g;
      w -= (0.01 * (m / (1 - 0.9 ** k))) / (Math.sqrt(v / (1 - 0.999 ** k)) + 1e-8);
      expect(parameters.get('w')![0]).toBeCloseTo(w, 6);
    }
    expect(parameters.get('w')![1]).toBe(-2);
  });

  test('with weight decay also shrinks every parameter by learningRate·weightDecay (AdamW)', () => {
    const [plain, decayed] = [0, 0.1].map((weightDecay) => {
      const parameters = one(2);
      adam({ weightDecay })(parameters).update(parameters, one(0.5), 0.01);
      return parameters.get('w')![0];
    });
    expect(plain - decayed).toBeCloseTo(0.01 * 0.1 * 2, 6);
  });
});

test('sgd follows PyTorch: v ← momentum·v + g, w ← w − rate·v', () => {
  const parameters = one(1);
  const optimizer = sgd({ momentum: 0.5 })(parameters);
  for (const g of [1, 2]) optimizer.update(parameters, one(g), 0.1);
  expect(parameters.get('w')![0]).toBeCloseTo(1 - 0.1 * 1 - 0.1 * (0.5 + 2), 6);
});

describe.each<[string, OptimizerFor]>([
  ['adam', adam()],
  ['sgd', sgd()],
  ['sgd with momentum', sgd({ momentum: 0.9 })],
])('the state of %s', (_, optimizer) => {
  test('has the same names, types and lengths from the beginning on', () => {
    const parameters = one(1, 2, 3);
    const steps = optimizer(parameters);
    const shape = () => [...steps.state()].map(([name, values]) => [name, values.length, values.constructor.name]);
    const before = shape();
    steps.update(parameters, one(1, 1, 1), 0.1);
    expect(shape()).toEqual(before);
  });

  test('goes on from a saved one to the bit, without a gradient too', () => {
    const [whole, first, second] = [one(1, 2), one(1, 2), one(0, 0)];
    const [a, b, c] = [whole, first, second].map((parameters) => optimizer(parameters));
    const gradients = [one(0.3, -1), new Map<string, Float32Array>(), one(2, 0.1)];
    for (const g of gradients) a.update(whole, g, 0.1);
    for (const g of gradients.slice(0, 2)) b.update(first, g, 0.1);
    second.get('w')!.set(first.get('w')!);
    c.restore(b.state());
    c.update(second, gradients[2], 0.1);
    expect(second).toEqual(whole);
    expect(c.state()).toEqual(a.state());
  });
});

test('ema is d·ema + (1 − d)·weights with d = min(decay, (1 + k)/(10 + k))', () => {
  const average = ema(one(1), { decay: 0.15 });
  let expected = 1;
  for (const [k, w] of [3, -1, 4].entries()) {
    average.update(one(w));
    const d = Math.min(0.15, (1 + k) / (10 + k));
    expected = d * expected + (1 - d) * w;
    expect(average.weights.get('w')![0]).toBeCloseTo(expected, 6);
  }
});

test('learningRate warms up, then stays, or falls to 0 in a line or along a cosine', () => {
  const rates = (decay: 'constant' | 'linear' | 'cosine') => {
    const rate = learningRate({ base: 1, warmup: 2, decay, steps: 6 });
    return [0, 1, 2, 3, 4, 5, 6].map((step) => Number(rate(step).toFixed(4)));
  };
  expect(rates('constant')).toEqual([0.5, 1, 1, 1, 1, 1, 1]);
  expect(rates('linear')).toEqual([0.5, 1, 1, 0.75, 0.5, 0.25, 0]);
  expect(rates('cosine')).toEqual([0.5, 1, 1, 0.8536, 0.5, 0.1464, 0]);
});
