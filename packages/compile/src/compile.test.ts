import { describe, expect, jest, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs';
import { Worker } from 'node:worker_threads';
import { compile } from './compile';
import { values } from '../test/compare';

const close = async (actual: tf.Tensor, expected: tf.Tensor) => {
  const [a, b] = await Promise.all([actual.data(), expected.data()]);
  expect(actual.shape).toEqual(expected.shape);
  b.forEach((value, i) => expect(Math.abs(value - a[i])).toBeLessThan(1e-4));
};

/** Runs a body and checks that it leaves no tensors behind but those it made before. */
async function leavesNothing(body: () => Promise<void>): Promise<void> {
  const before = tf.memory().numTensors;
  const backend = tf.getBackend();
  await body();
  expect(tf.memory().numTensors).toBe(before);
  expect(tf.getBackend()).toBe(backend);
}

describe('compile', () => {
  test('a hand-written network, also on shapes it has not seen', () =>
    leavesNothing(async () => {
      const [w1, w2, b1] = [[4, 8], [8, 2], [8]].map((shape, i) => tf.tidy(() => tf.variable(values(shape, i))));
      const network = (x: tf.Tensor2D) =>
        tf.tidy(() => tf.softmax(tf.matMul(tf.relu(tf.add(tf.matMul(x, w1 as tf.Tensor2D), b1)), w2 as tf.Tensor2D)));
      const examples = [values([3, 4], 4)] as [tf.Tensor2D];
      const compiled = await compile(network, examples);
      for (const n of [3, 1, 7, 3]) {
        const x = values([n, 4], n) as tf.Tensor2D;
        const [actual, expected] = [await compiled(x), network(x)];
        await close(actual, expected);
        tf.dispose([x, actual, expected]);
      }
      await compiled.dispose();
      tf.dispose([w1, w2, b1, ...examples]);
    }));

  test('a tf.LayersModel, unchanged', async () => {
    const model = tf.sequential({
      layers: [
        tf.layers.conv2d({ inputShape: [8, 8, 2], filters: 6, kernelSize: 3, activation: 'relu', padding: 'same' }),
        tf.layers.batchNormalization(),
        tf.layers.maxPooling2d({ poolSize: 2 }),
        tf.layers.separableConv2d({ filters: 5, kernelSize: 3 }),
        tf.layers.dropout({ rate: 0.5 }),
        tf.layers.flatten(),
        tf.layers.dense({ units: 3, activation: 'softmax' }),
      ],
    });
    const x = values([4, 8, 8, 2], 1);
    const compiled = await compile((input: tf.Tensor) => model.predict(input) as tf.Tensor, [x]);
    const [actual, expected] = [await compiled(x), model.predict(x) as tf.Tensor];
    await close(actual, expected);
    await compiled.dispose();
    tf.dispose([x, actual, expected]);
    model.dispose();
  });

  test('lists and records of results, of every type, and inputs passed through', () =>
    leavesNothing(async () => {
      const x = values([2, 3], 1);
      const record = await compile(
        (a: tf.Tensor) => ({
          same: a,
          positive: tf.greater(a, 0),
          count: tf.cast(a, 'int32'),
          two: tf.scalar(2),
          sum: tf.sum(a),
        }),
        [x],
      );
      const result = await record(x);
      expect(Object.entries(result).map(([key, { dtype, shape }]) => [key, dtype, shape])).toEqual([
        ['same', 'float32', [2, 3]],
        ['positive', 'bool', [2, 3]],
        ['count', 'int32', [2, 3]],
        ['two', 'float32', []],
        ['sum', 'float32', []],
      ]);
      expect([...result.same.dataSync()]).toEqual([...x.dataSync()]);
      expect(result.two.dataSync()[0]).toBe(2);
      const list = await compile((a: tf.Tensor) => [a, a, tf.neg(a)], [x]);
      const results = await list(x);
      expect(results.length).toBe(3);
      await Promise.all([record.dispose(), list.dispose()]);
      tf.dispose([x, result, results]);
    }));

  test('inputs whose values tfjs keeps in an array of another type', () =>
    leavesNothing(async () => {
      const x = tf.tidy(() => tf.cast(tf.oneHot(tf.tensor1d([1, 0], 'int32'), 2), 'float32'));
      const compiled = await compile((a: tf.Tensor) => tf.mul(a, 2), [x]);
      const y = await compiled(x);
      expect([...y.dataSync()]).toEqual([0, 2, 2, 0]);
      await compiled.dispose();
      tf.dispose([x, y]);
    }));

  test('captured variables keep the values they had', () =>
    leavesNothing(async () => {
      const w = tf.tidy(() => tf.variable(tf.scalar(2)));
      const x = tf.scalar(3);
      const compiled = await compile((a: tf.Tensor) => tf.mul(a, w), [x]);
      tf.tidy(() => w.assign(tf.scalar(5)));
      const y = await compiled(x);
      expect(y.dataSync()[0]).toBe(6);
      await compiled.dispose();
      tf.dispose([w, x, y]);
    }));

  test('a gradient inside the function', () =>
    leavesNothing(async () => {
      const x = values([5], 1);
      const body = (a: tf.Tensor) => tf.grad((b: tf.Tensor) => tf.sum(tf.pow(b, 3)))(a);
      const compiled = await compile(body, [x]);
      const [actual, expected] = [await compiled(x), body(x)];
      await close(actual, expected);
      await compiled.dispose();
      tf.dispose([x, actual, expected]);
    }));
});

describe('variables given as parameters', () => {
  const network = () => {
    const variables = { filter: values([3, 3, 2, 9], 1), bias: values([9], 2), order: tf.tensor1d([1, 0], 'int32') };
    const parameters = new Map(Object.entries(variables).map(([name, value]) => [name, tf.variable(value)]));
    const [filter, bias, order] = parameters.values();
    const scale = tf.tidy(() => tf.variable(tf.scalar(2), false));
    tf.dispose(variables);
    const fn = (x: tf.Tensor4D) => ({
      y: tf.mul(
        tf.add(tf.conv2d(tf.gather(x, order as tf.Tensor1D, 3), filter as tf.Tensor4D, 1, 'same'), bias),
        scale,
      ),
      filter: tf.add(tf.zeros([x.shape[0], 1, 1, 1]), tf.reshape(tf.slice(filter, 0, 1), [1, 3, 2, 9])),
    });
    return { parameters, fn: (x: tf.Tensor4D) => tf.tidy(() => fn(x)), scale };
  };
  const assign = (variable: tf.Variable, seed: number) => tf.tidy(() => variable.assign(values(variable.shape, seed)));

  test.each([{ threads: 1 }, { microBatch: 2, workers: 2 }])('count with the values of each call, with %j', (options) =>
    leavesNothing(async () => {
      const { parameters, fn, scale } = network();
      const x = tf.tidy(() => values([5, 6, 5, 2], 3) as tf.Tensor4D);
      let traced = 0;
      const counted = (input: tf.Tensor4D) => {
        traced++;
        return fn(input);
      };
      const compiled = await compile(counted, [x], { parameters, ...options });
      const calls: { actual: Promise<ReturnType<typeof fn>>; expected: ReturnType<typeof fn> }[] = [];
      for (let call = 0; call < 4; call++) {
        if (call === 1) assign(parameters.get('filter')!, 7);
        if (call === 3) {
          assign(parameters.get('bias')!, 8);
          tf.tidy(() => parameters.get('order')!.assign(tf.tensor1d([0, 0], 'int32')));
        }
        calls.push({ actual: compiled(x), expected: fn(x) });
      }
      // What is captured besides is a constant.
      tf.tidy(() => scale.assign(tf.scalar(100)));
      for (const { actual, expected } of calls) {
        const result = await actual;
        await close(result.y, expected.y);
        await close(result.filter, expected.filter);
        tf.dispose([result, expected]);
      }
      expect(traced).toBe(1);
      await compiled.dispose();
      parameters.forEach((variable) => variable.dispose());
      tf.dispose([scale, x]);
    }),
  );

  test('are passed through, and may be all that there is', () =>
    leavesNothing(async () => {
      const w = tf.tidy(() => tf.variable(values([3], 1)));
      const compiled = await compile(() => [w, tf.mul(w, 2)], [], { parameters: new Map([['w', w]]) });
      assign(w, 2);
      const [same, doubled] = await compiled();
      expect([...same.dataSync()]).toEqual([...w.dataSync()]);
      expect([...doubled.dataSync()]).toEqual(Array.from(w.dataSync(), (value) => 2 * value));
      await compiled.dispose();
      tf.dispose([w, same, doubled]);
    }));

  test('that are missing or gone are named', () =>
    leavesNothing(async () => {
      const { parameters, fn, scale } = network();
      const x = tf.tidy(() => values([1, 6, 5, 2], 3) as tf.Tensor4D);
      const compiled = await compile(fn, [x], { parameters });
      const [bias, rest] = [parameters.get('bias')!, new Map([...parameters].filter(([name]) => name !== 'bias'))];
      await expect(compile(fn, [x], { parameters: rest })).rejects.toThrow(
        'compile: the function reads a trainable variable that is not among the parameters, [9] (in Add)',
      );
      bias.dispose();
      await expect(compiled(x)).rejects.toThrow('compile: variable bias has been disposed');
      await compiled.dispose();
      parameters.forEach((variable) => variable.dispose());
      tf.dispose([scale, x]);
    }));
});

describe('in micro-batches', () => {
  test('on any batch, with the same bits for an example whatever the batch, the micro-batch it is in and the workers', () =>
    leavesNothing(async () => {
      const filter = tf.tidy(() => tf.variable(values([3, 3, 2, 9], 1)));
      const network = (x: tf.Tensor4D, t: tf.Tensor1D) =>
        tf.tidy(() => ({
          features: tf.mul(
            tf.conv2d(x, filter as tf.Tensor4D, 1, 'same'),
            tf.reshape(tf.cast(t, 'float32'), [-1, 1, 1, 1]),
          ),
          late: tf.greater(t, 5),
        }));
      const examples = [values([1, 6, 5, 2], 2), tf.tensor1d([1], 'int32')] as [tf.Tensor4D, tf.Tensor1D];
      const variants = await Promise.all(
        [1, 2, 3].map((workers) => compile(network, examples, { microBatch: 4, workers })),
      );
      const automatic = await compile(network, examples, { microBatch: 'auto' });
      const all = values([11, 6, 5, 2], 3) as tf.Tensor4D;
      const ts = tf.range(0, 11, 1, 'int32');
      const expected = network(all, ts);
      const first = await variants[0](all, ts);
      await close(first.features, expected.features);
      expect([...first.late.dataSync()]).toEqual([...expected.late.dataSync()]);
      const bits = first.features.dataSync();
      for (const n of [0, 1, 4, 9, 11]) {
        for (const compiled of variants) {
          const [x, t] = [tf.slice(all, 0, n), tf.slice(ts, 0, n)];
          const { features, late } = await compiled(x, t);
          expect(features.shape).toEqual([n, 6, 5, 9]);
          expect(Buffer.from(features.dataSync().buffer).equals(Buffer.from(bits.slice(0, n * 270).buffer))).toBe(true);
          tf.dispose([x, t, features, late]);
        }
      }
      // Other sizes of the image are another graph.
      const wide = values([3, 4, 9, 2], 4) as tf.Tensor4D;
      const few = tf.tensor1d([1, 2, 3], 'int32');
      const [actual, reference] = [await automatic(wide, few), network(wide, few)];
      await close(actual.features, reference.features);
      await Promise.all([automatic, ...variants].map((compiled) => compiled.dispose()));
      tf.dispose([filter, all, ts, wide, few, actual, reference, first, expected, ...examples]);
    }));

  test('no more workers are started than a call has work for', () =>
    leavesNothing(async () => {
      const started = () => posted.mock.contexts.reduce<Set<unknown>>((all, worker) => all.add(worker), new Set()).size;
      const posted = jest.spyOn(Worker.prototype, 'postMessage');
      const x = values([9, 3], 1);
      const [few, one] = tf.tidy(() => [tf.slice(x, 0, 4), tf.slice(x, 0, 1)]);
      const compiled = await compile((a: tf.Tensor) => tf.neg(a), [one], { microBatch: 2, workers: 4 });
      const counts: number[] = [];
      for (const input of [one, few, x]) {
        tf.dispose(await compiled(input));
        counts.push(started());
      }
      expect(counts).toEqual([1, 2, 4]);
      posted.mockRestore();
      await compiled.dispose();
      tf.dispose([x, few, one]);
    }));

  test('what has no batch, or another one, is refused', async () => {
    const [x, y] = [values([2, 3], 1), values([3, 3], 2)];
    await expect(compile((a: tf.Tensor) => tf.sum(a), [x], { microBatch: 2 })).rejects.toThrow(
      'the first axis of every result must be the batch, and result 0 is [] for 2 examples',
    );
    await expect(compile((a: tf.Tensor) => a, [tf.scalar(1)], { microBatch: 2 })).rejects.toThrow(
      'a batch as the first axis of each',
    );
    await expect(compile((a: tf.Tensor) => a, [x], { microBatch: 0 })).rejects.toThrow(
      "microBatch must be 'auto' or a positive integer, got 0",
    );
    await expect(compile((a: tf.Tensor) => a, [x], { workers: 2 })).rejects.toThrow('give microBatch too');
    await expect(compile((a: tf.Tensor) => a, [x], { microBatch: 2, threads: 2 })).rejects.toThrow(
      'give workers instead of threads',
    );
    const compiled = await compile((a: tf.Tensor, b: tf.Tensor) => tf.add(a, b), [x, x], { microBatch: 2, workers: 1 });
    await expect(compiled(x, y)).rejects.toThrow('input 0 has 2 examples, input 1 3');
    await compiled.dispose();
    tf.dispose([x, y]);
  });
});

describe('what cannot be traced is refused in words that help', () => {
  const refused = async (fn: (x: tf.Tensor) => tf.Tensor, message: RegExp) =>
    leavesNothing(async () => {
      const x = values([2, 3], 1);
      await expect(compile(fn, [x])).rejects.toThrow(message);
      x.dispose();
    });

  test('reading a traced value', () =>
    refused((x) => tf.scalar(tf.sum(x).dataSync()[0]), /reads a tensor .* return the tensor and read it outside/));
  test('reading one while a gradient is taken', () =>
    refused((x) => tf.grad((a: tf.Tensor) => tf.mul(tf.square(a), tf.square(a).dataSync()[0]))(x), /reads a tensor/));
  test('random numbers', () =>
    refused((x) => tf.add(x, tf.randomNormal([2, 3])), /draws random numbers.*pass them in as an input/));
  test('dropout', () => refused((x) => tf.dropout(x, 0.5), /draws random numbers/));
  test('an unsupported kernel, by name', () =>
    refused(
      (x) => tf.diag(x),
      /^compile: no lowering for the kernel Diag; do without tf.diag in this function, or run it on an eager backend .*cpu has$/,
    ));
  test('a new variable', () =>
    refused((x) => tf.add(x, tf.variable(tf.tidy(() => tf.scalar(1)))), /creates or assigns a tf.Variable/));
  test('a promise', () => refused((x) => Promise.resolve(x) as unknown as tf.Tensor, /not a promise/));
  test('no tensor', () => refused(() => 3 as unknown as tf.Tensor, /must return a tensor/));

  test('another rank, type or number of inputs, and a disposed function', async () => {
    const x = values([2, 3], 1);
    const compiled = await compile((a: tf.Tensor) => tf.neg(a), [x]);
    const flat = tf.tensor1d([1]);
    const whole = tf.tensor2d([[1]], [1, 1], 'int32');
    await expect(compiled(flat)).rejects.toThrow('input 0 was float32 [2, 3] when compiled, and is float32 [1]');
    await expect(compiled(whole)).rejects.toThrow('is int32 [1, 1]; sizes may change, rank and type may not');
    await expect((compiled as unknown as () => Promise<void>)()).rejects.toThrow('compiled for 1 inputs, got 0');
    await compiled.dispose();
    await expect(compiled(x)).rejects.toThrow('has been disposed');
    tf.dispose([x, flat, whole]);
  });
  test('a tensor kept from an earlier trace', async () => {
    const x = values([2], 1);
    let cached: tf.Tensor | undefined;
    const fn = (a: tf.Tensor) => tf.add(a, (cached ??= tf.keep(tf.mul(a, 2))));
    const compiled = await compile(fn, [x]);
    await expect(compile(fn, [x])).rejects.toThrow('a tensor made while another function was traced');
    await compiled.dispose();
    tf.dispose([x, cached!]);
  });
  test('Math.random works again afterwards', () => expect(Math.random()).toBeLessThan(1));
});
