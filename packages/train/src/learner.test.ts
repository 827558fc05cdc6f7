import { describe, expect, test } from '@jest/globals';
import { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs-core';
import type { Arrays, Batch, Gradients, Learner, LearnerOptions, OptimizerFor, Task, TrainStep } from './index';
import { adam, count, eagerGradients, learner, sgd, train } from './index';

/** One weight vector whose gradient is given. */
const fixed = (gradient: number[], options: Partial<LearnerOptions> = {}, loss = 1) => {
  const gradients: Gradients = Object.assign(
    () =>
      Promise.resolve({
        loss,
        gradients: new Map([['w', Float32Array.from(gradient)]]),
        losses: new Map([['loss', Float32Array.of(loss)]]),
      }),
    { dispose: () => Promise.resolve() },
  );
  const task: Task = {
    parameters: new Map([['w', tf.variable(tf.ones([gradient.length]))]]),
    draw: (examples) => examples,
    loss: () => ({ loss: tf.ones([1]) }),
  };
  // Plain descent shows the gradient as it was taken.
  return learner({ task, gradients, optimizer: sgd(), ...options });
};
const batch: Batch = { x: { data: Float32Array.of(1), item: [] } };

describe('a learner', () => {
  test('scales a gradient that is too long down to the norm allowed, and reports its own norm', async () => {
    const long = await fixed([3, 4], { clipNorm: 1 });
    expect((await long.step(batch, 1)).gradNorm).toBe(5);
    expect((await long.parameters()).get('w')![0]).toBeCloseTo(1 - 0.6, 6);
    const short = await fixed([0.3, 0.4], { clipNorm: 1 });
    await short.step(batch, 1);
    expect((await short.parameters()).get('w')![0]).toBeCloseTo(0.7, 6);
  });

  test.each([
    ['loss', [1, 1], NaN],
    ['gradient', [1, Infinity], 1],
  ])('does not take a step whose %s is not finite', async (_, gradient, loss) => {
    const it = await fixed(gradient, { emaDecay: 0.5 }, loss);
    expect((await it.step(batch, 1)).skipped).toBe(true);
    expect([...(await it.parameters()).get('w')!, ...(await it.weights()).get('w')!]).toEqual([1, 1, 1, 1]);
  });

  test('keeps the moving average beside the parameters, and saves each array once', async () => {
    const it = await fixed([1, 0], { emaDecay: 0.5 });
    await it.step(batch, 1);
    expect((await it.weights()).get('w')![0]).toBeCloseTo(0.1, 6);
    const saved = await it.save();
    expect([...saved.weights.keys(), ...saved.state.keys()]).toEqual([
      'w',
      'optimizer/step',
      'optimizer/v/w',
      'parameters/w',
      'ema/updates',
    ]);
    const other = await fixed([0, 0], { emaDecay: 0.5 });
    await other.restore(saved);
    expect(await other.weights()).toEqual(await it.weights());
    expect(await other.save()).toEqual(saved);
  });

  test('refuses what another learner saved, in one line of a bounded length, and changes nothing', async () => {
    const it = await fixed([1, 0], { optimizer: adam() });
    const before = structuredClone(await it.save());
    await expect(it.restore({ weights: new Map(), state: before.state })).rejects.toThrow(
      'learner: the state is not one of these parameters and this optimizer: weights/w is missing',
    );
    const many = new Map([
      ...before.state,
      ...Array.from({ length: 50 }, (_, i) => [`z${i}`, new Float32Array(1)] as const),
    ]);
    many.set('optimizer/step', Float32Array.of(1));
    await expect(it.restore({ ...before, state: many })).rejects.toThrow(
      'optimizer/step should have 1 float64, not 1 float32; z0 has no place in it; z1 has no place in it; z2 has no place in it; and 47 more',
    );
    expect(await it.save()).toEqual(before);
  });

  test('counts further than float32 can', async () => {
    const it = await fixed([1, 0], { optimizer: adam(), emaDecay: 0.9 });
    const state = new Map((await it.save()).state)
      .set('optimizer/step', Float64Array.of(2 ** 24))
      .set('ema/updates', Float64Array.of(2 ** 24));
    await it.restore({ ...(await it.save()), state });
    await it.step(batch, 1e-3);
    expect((await it.save()).state.get('optimizer/step')![0]).toBe(2 ** 24 + 1);
    expect((await it.save()).state.get('ema/updates')![0]).toBe(2 ** 24 + 1);
  });
});

/**
 * Learns the mean of what it is shown, plus noise; it counts how often it was told of a step, as importance sampling
 * would.
 */
function meanTask(): Task {
  const mean = tf.variable(tf.scalar(0));
  let told = 0;
  return {
    parameters: new Map([['mean', mean]]),
    draw: (examples, rng) => ({ ...examples, noise: { data: rng.normals(count(examples)), item: [] } }),
    loss: ({ x, noise }) => ({ loss: tf.square<tf.Tensor1D>(tf.sub(tf.add(x, tf.mul(noise, 0.1)), mean)) }),
    observe: () => void told++,
    state: () => new Map([['told', Int32Array.of(told)]]),
    restore: (state) => void (told = state.get('told')![0]),
  };
}
const examples = async function* (start: number): AsyncGenerator<Batch> {
  for (let step = start; ; step++) {
    await Promise.resolve();
    yield { x: { data: Float32Array.of(1 + (step % 3), 2), item: [] } };
  }
};

/** Gradients that keep arrays as a device would. */
function keeping(gradients: Gradients): Gradients {
  const keep: Gradients['keep'] = (rule, begun) => {
    let arrays = begun;
    let gradient: Arrays = new Map();
    return Promise.resolve({
      async gradients(inputs) {
        const { gradients: found, ...result } = await gradients(arrays[0], inputs);
        gradient = found;
        return { ...result, squares: [...found.values()].flatMap((g) => [...g]).reduce((sum, g) => sum + g * g, 0) };
      },
      update(numbers) {
        const next = arrays.map(() => new Map<string, Float32Array>());
        tf.tidy(() => {
          for (const [name, { length }] of arrays[0]) {
            const values = arrays.map((array) => tf.tensor1d(array.get(name)!));
            const g = tf.tensor1d(gradient.get(name) ?? new Float32Array(length));
            for (const [i, result] of rule(
              values,
              g,
              numbers.map((value) => tf.scalar(value)),
            ).entries())
              // prettier-ignore
              next[i].set(name, result.dataSync<'float32'>().slice());
          }
        });
        arrays = next;
        return Promise.resolve();
      },
      read: () => Promise.resolve(arrays),
      write: (values) => Promise.resolve(void (arrays = values)),
    });
  };
  const none = () => Promise.reject(new Error('asked for gradients that leave the device'));
  return Object.assign(none, { keep, dispose: () => gradients.dispose() });
}

test.each([
  ['adam', adam({ weightDecay: 0.1 })],
  ['sgd', sgd({ momentum: 0.9 })],
])('on a device, with %s, learns, skips and saves as in plain arrays', async (_, optimizer) => {
  const make = async (on: (gradients: Gradients) => Gradients) => {
    const task: Task = { ...meanTask(), observe: undefined, state: undefined, restore: undefined };
    return learner({ task, gradients: on(eagerGradients(task)), optimizer, emaDecay: 0.9, clipNorm: 0.5 });
  };
  const [there, here] = [await make(keeping), await make((gradients) => gradients)];
  const options = { examples, rate: 0.05, seed: 1, steps: 4 };
  const of = async (it: Learner, start = 0) => {
    const norms: number[] = [];
    for await (const { gradNorm } of train({ ...options, start, learner: it })) norms.push(gradNorm);
    const { weights, state } = await it.save();
    return { norms, weights: [...weights], state: [...state] };
  };
  const [a, b] = [await of(there), await of(here)];
  expect(a.norms.map((norm) => norm > 0.5)).toContain(true);
  expect(a.state.map(([name]) => name)).toEqual(b.state.map(([name]) => name));
  const numbers = ({ norms, weights, state }: typeof a) => [
    ...norms,
    ...weights.flatMap(([, { data }]) => [...data]),
    ...state.flatMap(([, data]) => [...data]),
  ];
  for (const [i, value] of numbers(a).entries()) expect(value).toBeCloseTo(numbers(b)[i], 5);

  const before = structuredClone(await there.save());
  const nothing: Batch = { x: { data: Float32Array.of(NaN), item: [] }, noise: { data: Float32Array.of(0), item: [] } };
  expect((await there.step(nothing, 1)).skipped).toBe(true);
  expect(await there.save()).toEqual(before);
  const other = await make(keeping);
  await other.restore(before);
  expect(await other.save()).toEqual(before);
});

describe('train', () => {
  const make = (optimizer?: OptimizerFor) => {
    const task = meanTask();
    return learner({ task, gradients: eagerGradients(task), optimizer, emaDecay: 0.9 });
  };
  const collect = async (steps: AsyncIterable<TrainStep>) => {
    const all: TrainStep[] = [];
    for await (const step of steps) all.push(step);
    return all;
  };
  const options = { examples, rate: 0.05, seed: 1 };

  test('learns', async () => {
    const log = await collect(train({ ...options, learner: await make(), steps: 80 }));
    const mean = (part: TrainStep[]) => part.reduce((sum, { loss }) => sum + loss, 0) / part.length;
    expect(log.map(({ step }) => step)).toEqual(Array.from({ length: 80 }, (_, i) => i));
    expect(mean(log.slice(-20))).toBeLessThan(0.3 * mean(log.slice(0, 6)));
  });

  test.each([
    ['adam', adam()],
    ['sgd', sgd({ momentum: 0.9 })],
  ])('goes on from what was saved to the bit, with %s and what the task has learned', async (_, optimizer) => {
    const whole = await make(optimizer);
    const log = await collect(train({ ...options, learner: whole, steps: 11 }));
    const first = await make(optimizer);
    await collect(train({ ...options, learner: first, steps: 5 }));
    const second = await make(optimizer);
    await second.restore(await first.save());
    const rest = await collect(train({ ...options, learner: second, start: 5, steps: 11 }));
    expect(rest).toEqual(log.slice(5));
    expect(await second.save()).toEqual(await whole.save());
    expect((await second.save()).state.get('task/told')![0]).toBe(11);
  });

  test('gives a task all terms of its losses, and saves the frozen variables that it changes with the weights', async () => {
    const make = () => {
      const centre = tf.variable(tf.tensor1d([0, 0]), false);
      const values = new Float32Array(2);
      const task = meanTask();
      const set = (next: ArrayLike<number>) => {
        values.set(Array.from(next));
        tf.tidy(() => centre.assign(tf.tensor1d(values)));
      };
      const moving: Task = {
        ...task,
        frozen: new Map([['centre', centre]]),
        loss(inputs) {
          const { loss } = task.loss(inputs);
          const pair = tf.stack([inputs.x, inputs.noise], 1);
          return { loss: tf.add<tf.Tensor1D>(loss, tf.sum(centre)), pair };
        },
        observe: (_inputs, losses) => set(losses.get('pair')!.subarray(0, 2)),
        buffers: () => new Map([['centre', values]]),
        state: () => new Map([['centre', values]]),
        restore: (state) => set(state.get('centre')!),
      };
      return learner({ task: moving, gradients: eagerGradients(moving), emaDecay: 0.9 });
    };
    const whole = await make();
    const log = await collect(train({ ...options, learner: whole, steps: 4 }));
    // What is recorded is one number for each example.
    expect([...log[0].losses.keys()]).toEqual(['loss']);
    expect([...(await whole.save()).weights.get('centre')!.data]).toEqual([
      log[3].inputs.x.data[0],
      log[3].inputs.noise.data[0],
    ]);
    const first = await make();
    await collect(train({ ...options, learner: first, steps: 2 }));
    const second = await make();
    await second.restore(await first.save());
    expect(await collect(train({ ...options, learner: second, start: 2, steps: 4 }))).toEqual(log.slice(2));
    expect(await second.save()).toEqual(await whole.save());
  });

  test('draws the next inputs while a step is computed, unless the task learns from it', async () => {
    for (const learns of [false, true]) {
      const told: string[] = [];
      const gradients = Object.assign(
        async () => {
          told.push('begun');
          await new Promise((resolve) => setTimeout(resolve, 5));
          told.push('computed');
          return { loss: 1, gradients: new Map(), losses: new Map([['loss', Float32Array.of(1)]]) };
        },
        { dispose: () => Promise.resolve() },
      );
      const made = meanTask();
      const drawing: Task['draw'] = (batch, rng) => (told.push('drawn'), made.draw(batch, rng));
      const task: Task = { ...made, draw: drawing, ...(!learns && { observe: undefined }) };
      const log = await collect(train({ ...options, learner: await learner({ task, gradients }), steps: 2 }));
      expect(told.join(' ')).toBe(
        learns ? 'drawn begun computed drawn begun computed' : 'drawn begun drawn computed begun computed',
      );
      expect(log.map(({ inputs }) => [...inputs.noise.data])).toEqual(
        [0, 1].map((step) => [...new Random([1, 'train', step]).normals(2)]),
      );
    }
  });

  test('asks for the rate of each step', async () => {
    const log = await collect(train({ ...options, learner: await make(), steps: 3, rate: (step) => step / 10 }));
    expect(log.map(({ learningRate }) => learningRate)).toEqual([0, 0.1, 0.2]);
  });

  test('takes no example where there is nothing to do, and says so where they end too soon', async () => {
    const none = () => {
      throw new Error('asked');
    };
    expect(await collect(train({ ...options, examples: none, learner: await make(), start: 3, steps: 3 }))).toEqual([]);
    const two = async function* () {
      for await (const batch of examples(0)) {
        yield batch;
        yield batch;
        return;
      }
    };
    await expect(collect(train({ ...options, examples: two, learner: await make(), steps: 3 }))).rejects.toThrow(
      'train: the examples ended after 2 of 3 steps',
    );
  });
});
