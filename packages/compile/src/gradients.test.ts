import { describe, expect, jest, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { Worker } from 'node:worker_threads';
import type { CompileGradientsOptions } from './gradients';
import { compileGradients } from './gradients';
import { reachable } from './graph';
import { values } from '../test/compare';
import { together } from '../test/together';
import { Pool } from './run/pool';
import type { ProgramSpec } from './plan/program';
import type { Request } from './run/protocol';
import { portable } from './self-test';
import { groupSizes } from './run/summation';
import { traceLoss } from './trace-loss';
import { createWeights } from './run/weights';

/**
 * A small network with what the U-Net has: convolutions, a norm over each image, a depthwise convolution, attention, a
 * loss.
 */
function network() {
  const parameters = new Map(
    Object.entries({
      conv: [3, 3, 2, 6],
      bias: [6],
      scale: [6],
      depthwise: [3, 3, 6, 1],
      qkv: [1, 1, 6, 12],
      out: [4, 1],
      unused: [3],
    }).map(([name, shape], i) => [name, tf.tidy(() => tf.variable(values(shape, i, { scale: 0.5 })))]),
  );
  const get = (name: string) => parameters.get(name)!;
  const errors = (x: tf.Tensor, target: tf.Tensor) => {
    let h: tf.Tensor = tf.add(tf.conv2d(x as tf.Tensor4D, get('conv') as tf.Tensor4D, 1, 'same'), get('bias'));
    const centred = tf.sub(h, tf.mean(h, [1, 2, 3], true));
    h = tf.mul(tf.mul(centred, tf.rsqrt(tf.add(tf.mean(tf.square(centred), [1, 2, 3], true), 1e-5))), get('scale'));
    h = tf.depthwiseConv2d(tf.relu(h) as tf.Tensor4D, get('depthwise') as tf.Tensor4D, 1, 'same');
    const [q, k, v] = tf.split(
      tf.reshape(tf.conv2d(h as tf.Tensor4D, get('qkv') as tf.Tensor4D, 1, 'same'), [x.shape[0], 25, 12]),
      3,
      2,
    );
    h = tf.mean(tf.matMul(tf.softmax(tf.matMul(q, k, false, true)), v), 1);
    return tf.square(tf.sub(tf.reshape(tf.matMul(h as tf.Tensor2D, get('out') as tf.Tensor2D), [-1]), target));
  };
  return { parameters, errors, mean: (x: tf.Tensor, target: tf.Tensor) => tf.mean(errors(x, target)) };
}

const data = (n: number) => [
  values([n, 5, 5, 2], n).dataSync() as Float32Array,
  values([n], n + 1).dataSync() as Float32Array,
];
const current = (parameters: ReadonlyMap<string, tf.Variable>) =>
  new Map([...parameters].map(([name, v]) => [name, v.dataSync() as Float32Array]));
const bytes = (array: Float32Array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('hex');

function eager(loss: () => tf.Tensor, parameters: ReadonlyMap<string, tf.Variable>) {
  const used = [...parameters].filter(([name]) => name !== 'unused');
  const { value, grads } = tf.variableGrads(
    loss as () => tf.Scalar,
    used.map(([, variable]) => variable),
  );
  return {
    loss: value.dataSync()[0],
    gradients: new Map(used.map(([name, variable]) => [name, grads[variable.name].dataSync() as Float32Array])),
  };
}

describe('compileGradients', () => {
  test.each(['fast', 'portable'] as const)(
    'agrees with tfjs on whole and partial batches, on the %s path',
    async (path) => {
      tf.engine().startScope();
      const { parameters, mean } = network();
      const compiled = await compileGradients(mean, parameters, [values([2, 5, 5, 2], 1), values([2], 2)], {
        microBatch: 4,
        workers: 2,
        path,
      });
      for (const n of [12, 5, 1, 3]) {
        const [x, target] = data(n);
        const expected = eager(() => mean(tf.tensor(x, [n, 5, 5, 2]), tf.tensor(target, [n])), parameters);
        const actual = await compiled.run(current(parameters), [x, target]);
        expect(actual.loss).toBeCloseTo(expected.loss, 4);
        expect(actual.losses.size).toBe(0);
        expect([...actual.gradients.keys()]).toEqual([...parameters.keys()]);
        expect([...actual.gradients.get('unused')!]).toEqual([0, 0, 0]);
        for (const [name, gradient] of expected.gradients) {
          const largest = Math.max(...gradient.map(Math.abs));
          const difference = Math.max(...gradient.map((value, i) => Math.abs(value - actual.gradients.get(name)![i])));
          expect({ name, ratio: difference / largest < 1e-4 }).toEqual({ name, ratio: true });
        }
      }
      await compiled.dispose();
      parameters.forEach((variable) => variable.dispose());
      tf.engine().endScope();
    },
  );

  test('is the same to the bit, again and with 1, 2 and 3 workers', async () => {
    tf.engine().startScope();
    const { parameters, mean } = network();
    const results: string[] = [];
    for (const workers of [1, 2, 3]) {
      const compiled = await compileGradients(mean, parameters, [values([2, 5, 5, 2], 1), values([2], 2)], {
        microBatch: 2,
        workers,
      });
      for (let i = 0; i < 2; i++) {
        const { loss, gradients } = await compiled.run(current(parameters), data(23));
        results.push([loss, ...[...gradients.values()].map(bytes)].join());
      }
      await compiled.dispose();
    }
    expect(new Set(results).size).toBe(1);
    parameters.forEach((variable) => variable.dispose());
    tf.engine().endScope();
  });

  test('is the same to the bit where 2, 3 and 4 compute a batch together', async () => {
    tf.engine().startScope();
    const { parameters, errors } = network();
    const alone: string[] = [];
    for (const size of [1, 2, 3, 4]) {
      const all = await Promise.all(
        together(size).map(async (among) => {
          const compiled = await compileGradients(errors, parameters, [values([2, 5, 5, 2], 1), values([2], 2)], {
            microBatch: 2,
            workers: 1,
          });
          const results: string[] = [];
          // Eleven micro-batches and a rest, and no more than one.
          for (const n of [23, 2]) {
            expect(compiled.groups!(n)).toBe(n === 23 ? 8 : 1);
            const result = await compiled.run(current(parameters), data(n), size > 1 ? among : undefined);
            const { loss, gradients, losses } = result;
            results.push([loss, ...[...gradients.values(), ...losses.values()].map(bytes)].join());
          }
          await compiled.dispose();
          return { results, model: Buffer.from(compiled.model).toString('latin1') };
        }),
      );
      expect(new Set(all.map(({ model }) => model)).size).toBe(1);
      if (size === 1) alone.push(...all[0].results);
      for (const { results } of all) expect(results).toEqual(alone);
    }
    parameters.forEach((variable) => variable.dispose());
    tf.engine().endScope();
  });

  test("returns the examples' losses where the function does", async () => {
    tf.engine().startScope();
    const { parameters, errors, mean } = network();
    const examples = [values([2, 5, 5, 2], 1), values([2], 2)];
    const [each, averaged] = await Promise.all([
      compileGradients(errors, parameters, examples, { microBatch: 4 }),
      compileGradients(mean, parameters, examples, { microBatch: 4 }),
    ]);
    const [one, other] = [
      await each.run(current(parameters), data(7)),
      await averaged.run(current(parameters), data(7)),
    ];
    const [x, target] = data(7);
    const expected = errors(tf.tensor(x, [7, 5, 5, 2]), tf.tensor(target)).dataSync();
    expect([...one.losses.keys()]).toEqual(['loss']);
    expect(one.losses.get('loss')!.length).toBe(7);
    one.losses.get('loss')!.forEach((value, i) => expect(value).toBeCloseTo(expected[i], 4));
    expect(one.loss).toBeCloseTo(other.loss, 5);
    one.gradients.get('conv')!.forEach((value, i) => expect(value).toBeCloseTo(other.gradients.get('conv')![i], 5));
    await Promise.all([each.dispose(), averaged.dispose()]);
    parameters.forEach((variable) => variable.dispose());
    tf.engine().endScope();
  });

  test('differentiates the loss among several, and returns them all by name', async () => {
    tf.engine().startScope();
    const { parameters, errors } = network();
    const losses = (x: tf.Tensor, target: tf.Tensor) => {
      const loss = errors(x, target);
      return {
        scaled: tf.mul(loss, 3),
        loss,
        large: tf.greater(loss, 0.5),
        pixels: tf.slice(x, [0, 0, 0, 0], [-1, 2, 3, 2]),
      };
    };
    const examples = [values([7, 5, 5, 2], 1), values([7], 2)];
    const [several, one] = await Promise.all(
      [losses, errors].map((loss) => compileGradients(loss, parameters, examples, { microBatch: 2, workers: 2 })),
    );
    const [actual, alone] = [
      await several.run(current(parameters), data(7)),
      await one.run(current(parameters), data(7)),
    ];
    const [x, target] = data(7);
    const expected = losses(tf.tensor(x, [7, 5, 5, 2]), tf.tensor(target));
    expect([...actual.losses.keys()].sort()).toEqual(['large', 'loss', 'pixels', 'scaled']);
    for (const [name, tensor] of Object.entries(expected)) {
      const column = actual.losses.get(name)!;
      expect(column.length).toBe(tensor.size);
      tensor.dataSync().forEach((value, i) => expect(column[i]).toBeCloseTo(value, 4));
    }
    expect(actual.loss).toBe(alone.loss);
    for (const [name, gradient] of actual.gradients) expect(bytes(gradient)).toBe(bytes(alone.gradients.get(name)!));
    await Promise.all([several.dispose(), one.dispose()]);
    parameters.forEach((variable) => variable.dispose());
    tf.engine().endScope();
  });

  test('takes many small parameters, and a sum that is the gradient of two', async () => {
    tf.engine().startScope();
    const parameters = new Map(
      Array.from(
        { length: 50 },
        (_, i) => [`p${i}`, tf.tidy(() => tf.variable(values(i < 2 ? [3] : [3, 3], i, { scale: 0.5 })))] as const,
      ),
    );
    const [shared, ...layers] = [...parameters.values()];
    const loss = (x: tf.Tensor) =>
      tf.mean(
        layers.reduce<tf.Tensor>(
          (h, p, i) =>
            i === 0 ? tf.add(h, tf.add(p, shared)) : tf.add(h, tf.tanh(tf.matMul(h as tf.Tensor2D, p as tf.Tensor2D))),
          x,
        ),
      );
    const compiled = await compileGradients(loss, parameters, [values([1, 3], 1)], { microBatch: 2, workers: 2 });
    const x = values([7, 3], 9);
    const expected = eager(() => loss(x), parameters);
    for (let run = 0; run < 2; run++) {
      const actual = await compiled.run(current(parameters), [x.dataSync() as Float32Array]);
      expect(actual.loss).toBeCloseTo(expected.loss, 5);
      for (const [name, gradient] of expected.gradients) {
        actual.gradients.get(name)!.forEach((value, i) => expect(value).toBeCloseTo(gradient[i], 4));
      }
    }
    expect(
      new Set([...(await compiled.run(current(parameters), [x.dataSync() as Float32Array])).gradients.values()]).size,
    ).toBe(50);
    await compiled.dispose();
    parameters.forEach((variable) => variable.dispose());
    tf.engine().endScope();
  });

  test('takes calls that overlap one after the other, and keeps no tensors', async () => {
    const before = tf.memory().numTensors;
    const { parameters, mean } = network();
    const examples = [values([2, 5, 5, 2], 1), values([2], 2)];
    const compiled = await compileGradients(mean, parameters, examples);
    const all = await Promise.all(
      [5, 3, 5].map((n) =>
        compiled.run(current(parameters), [new Float32Array(n * 50).fill(0.1), new Float32Array(n)]),
      ),
    );
    expect(all[0].loss).toBe(all[2].loss);
    await compiled.dispose();
    tf.dispose(examples);
    parameters.forEach((variable) => variable.dispose());
    expect(tf.memory().numTensors).toBe(before);
  });

  test('refuses what does not fit, in one line', async () => {
    tf.engine().startScope();
    const { parameters, mean } = network();
    const examples = [values([2, 5, 5, 2], 1), values([2], 2)];
    const compiled = await compileGradients(mean, parameters, examples, { microBatch: 2, workers: 1 });
    const now = current(parameters);
    await expect(compiled.run(now, [new Float32Array(51), new Float32Array(1)])).rejects.toThrow(
      'input 0 has 51 elements',
    );
    await expect(compiled.run(now, [new Float32Array(100), new Float32Array(3)])).rejects.toThrow(
      'input 1 has 3 elements',
    );
    await expect(compiled.run(now, [new Float32Array(100)])).rejects.toThrow('has 2 inputs, got 1');
    await expect(compiled.run(now, [new Int32Array(100), new Float32Array(2)])).rejects.toThrow(
      'input 0 must be a Float32Array',
    );
    await expect(compiled.run(new Map(), data(2))).rejects.toThrow('parameter conv has 108 elements, got none');
    await compiled.dispose();
    await expect(compiled.run(now, data(2))).rejects.toThrow('compileGradients: it has been disposed');
    await expect(compileGradients(mean, new Map(), examples)).rejects.toThrow('no parameters');
    await expect(compileGradients(mean, parameters, examples, { workers: 0 })).rejects.toThrow(
      "workers must be 'auto' or a positive integer, got 0",
    );
    await expect(compileGradients((x: tf.Tensor) => tf.square(x), parameters, [examples[0]])).rejects.toThrow(
      'must return a scalar or the losses of its',
    );
    const refuse = async (loss: Parameters<typeof compileGradients>[0], message: string) =>
      expect(compileGradients(loss, parameters, examples)).rejects.toThrow(message);
    await refuse(
      (x: tf.Tensor) => ({ error: tf.sum(x, [1, 2, 3]) }),
      'of the losses, one must be named loss, got error',
    );
    await refuse(
      (x: tf.Tensor, y: tf.Tensor) => ({ loss: y, more: tf.sum(x) }),
      'more must be the losses of the 8 examples, [8, …], got []',
    );
    await refuse((_: tf.Tensor, y: tf.Tensor) => Promise.resolve(y) as unknown as tf.Tensor, 'not a promise');
    parameters.forEach((variable) => variable.dispose());
    tf.engine().endScope();
  });
});

describe('frozen variables', () => {
  /** A student that is to say what a teacher says; the teacher sees the input through a table of its own. */
  function distillation() {
    const make = (shape: number[], seed: number) => tf.tidy(() => tf.variable(values(shape, seed, { scale: 0.5 })));
    const [student, teacher] = [make([2, 3], 1), make([2, 3], 2)];
    const order = tf.tidy(() => tf.variable(tf.tensor1d([1, 0], 'int32')));
    const loss = (x: tf.Tensor2D) => {
      const wanted = tf.matMul(tf.gather(x, order as tf.Tensor1D, 1), teacher);
      return tf.mean(tf.square(tf.sub(tf.tanh(tf.matMul(x, student as tf.Tensor2D)), tf.tanh(wanted))), 1);
    };
    return { student, teacher, order, loss };
  }

  test('count with the values that they have at each call, whatever they are assigned later', async () => {
    const before = tf.memory().numTensors;
    tf.engine().startScope();
    const { student, teacher, order, loss } = distillation();
    const parameters = new Map([['student', student]]);
    const frozen = new Map([['teacher', teacher], ['order', order]]); // prettier-ignore
    const x = values([7, 2], 5) as tf.Tensor2D;
    const compiled = await compileGradients(loss, parameters, [x], { frozen, microBatch: 2, workers: 2 });
    const runs: { actual: ReturnType<typeof compiled.run>; expected: ReturnType<typeof eager> }[] = [];
    for (let step = 0; step < 3; step++) {
      if (step > 0) tf.tidy(() => teacher.assign(tf.add(tf.mul(teacher, 0.9), tf.mul(student, 0.1 * step))));
      if (step > 1) tf.tidy(() => order.assign(tf.tensor1d([0, 0], 'int32')));
      runs.push({
        actual: compiled.run(current(parameters), [x.dataSync() as Float32Array]),
        expected: eager(() => tf.mean(loss(x)), parameters),
      });
    }
    for (const { actual, expected } of runs) {
      const { loss: value, gradients } = await actual;
      expect(value).toBeCloseTo(expected.loss, 5);
      gradients
        .get('student')!
        .forEach((element, i) => expect(element).toBeCloseTo(expected.gradients.get('student')![i], 5));
    }
    expect(new Set(runs.map(({ expected }) => expected.loss)).size).toBe(3);
    await compiled.dispose();
    tf.dispose([student, teacher, order]);
    tf.engine().endScope();
    expect(tf.memory().numTensors).toBe(before);
  });

  test('take no more nodes than constants', () => {
    tf.engine().startScope();
    const { student, teacher, order, loss } = distillation();
    const nodes = (parameters: Record<string, tf.Variable>, frozen: Record<string, tf.Variable>) => {
      const spec = { name: 'x', shape: [4, 2], dtype: 'float32' as const };
      const [a, b] = [parameters, frozen].map((variables) => new Map(Object.entries(variables)));
      const { traced, names } = traceLoss(loss as () => tf.Tensor, a, b, [spec], portable);
      expect(names).toEqual(Object.keys(parameters));
      return reachable(traced.outputs).length;
    };
    teacher.trainable = order.trainable = false;
    const asConstants = nodes({ student }, {});
    expect(nodes({ student }, { teacher })).toBe(asConstants);
    expect(nodes({ student, teacher }, {})).toBeGreaterThan(asConstants);
    tf.dispose([student, teacher, order]);
    tf.engine().endScope();
  });

  test('are others than the parameters, though they may begin with the same tensor', async () => {
    tf.engine().startScope();
    const start = values([3], 1);
    const [w, average] = [tf.variable(start), tf.variable(start)];
    const parameters = new Map([['w', w]]);
    const loss = (x: tf.Tensor) => tf.sum(tf.mul(tf.sub(tf.mul(w, 2), average), x), 1);
    const compiled = await compileGradients(loss, parameters, [values([2, 3], 1)], {
      frozen: new Map([['average', average]]),
    });
    const { loss: value, gradients } = await compiled.run(new Map([['w', Float32Array.of(1, 2, 3)]]), [
      Float32Array.of(1, 1, 1),
    ]);
    const sum = start.dataSync<'float32'>().reduce((total, element) => total + element, 0);
    expect(value).toBeCloseTo(12 - sum, 5);
    expect([...gradients.get('w')!]).toEqual([2, 2, 2]);
    await compiled.dispose();
    await expect(
      compileGradients(loss, parameters, [values([2, 3], 1)], { frozen: new Map([['teacher', w]]) }),
    ).rejects.toThrow('teacher cannot be frozen, since it is the parameter w');
    tf.dispose([w, average]);
    tf.engine().endScope();
  });
});

describe('a coupled batch', () => {
  /** A contrastive loss (van den Oord et al. 2018, eq. 4): of all pairs, each example is to find its own. */
  function contrast() {
    const parameters = new Map(
      Object.entries({ conv: [3, 3, 2, 8], out: [8, 16], other: [4, 16] }).map(([name, shape], i) => [
        name,
        tf.tidy(() => tf.variable(values(shape, i, { scale: 0.5 }))),
      ]),
    );
    const get = <T extends tf.Tensor>(name: string) => parameters.get(name) as tf.Tensor as T;
    const loss = (x: tf.Tensor4D, y: tf.Tensor2D) => {
      const a = tf.matMul(
        tf.mean<tf.Tensor2D>(tf.relu(tf.conv2d(x, get<tf.Tensor4D>('conv'), 1, 'same')), [1, 2]),
        get<tf.Tensor2D>('out'),
      );
      const similar = tf.matMul(a, tf.matMul(y, get<tf.Tensor2D>('other')), false, true);
      const own = tf.sum(tf.mul(tf.logSoftmax(similar), tf.eye(x.shape[0])), 1);
      return { loss: tf.neg(own), found: tf.exp(own) };
    };
    return { parameters, loss };
  }
  const batch = (n: number) => [
    values([n, 9, 9, 2], n).dataSync() as Float32Array,
    values([n, 4], n + 1).dataSync() as Float32Array,
  ];
  const examples = () => [values([6, 9, 9, 2], 1), values([6, 4], 2)];

  test('goes through one graph whatever its size, with the same bits again, whatever the processors', async () => {
    tf.engine().startScope();
    const { parameters, loss } = contrast();
    const variants = await Promise.all(
      ([undefined, 'auto', 8] as const).map((threads) =>
        compileGradients(loss, parameters, examples(), { coupled: true, threads }),
      ),
    );
    for (const n of [6, 1, 2, 33]) {
      const [x, y] = batch(n);
      const terms = () => loss(tf.tensor4d(x, [n, 9, 9, 2]), tf.tensor2d(y, [n, 4]));
      const expected = eager(() => tf.mean(terms().loss), parameters);
      const found = terms().found.dataSync();
      const bits = new Set<string>();
      for (const compiled of [...variants, ...variants]) {
        const { loss: value, losses, gradients } = await compiled.run(current(parameters), [x, y]);
        expect(value).toBeCloseTo(expected.loss, 4);
        found.forEach((element, i) => expect(losses.get('found')![i]).toBeCloseTo(element, 4));
        for (const [name, gradient] of expected.gradients)
          gradient.forEach((element, i) => expect(gradients.get(name)![i]).toBeCloseTo(element, 3));
        bits.add([value, ...[...losses.values(), ...gradients.values()].map(bytes)].join());
      }
      expect(bits.size).toBe(1);
    }
    expect(variants.map(({ microBatch, workers }) => ({ microBatch, workers }))).toEqual(
      Array(3).fill({ microBatch: undefined, workers: 0 }),
    );
    await Promise.all(variants.map((compiled) => compiled.dispose()));
    parameters.forEach((variable) => variable.dispose());
    tf.engine().endScope();
  });

  test('is not cut, and what would cut it is refused', async () => {
    tf.engine().startScope();
    const { parameters, loss } = contrast();
    const refuse = (options: CompileGradientsOptions, message: string) =>
      expect(compileGradients(loss, parameters, examples(), options)).rejects.toThrow(
        new TypeError(`compileGradients: ${message}`),
      );
    await refuse({ coupled: true, microBatch: 2 }, 'a coupled batch is not cut; leave microBatch out');
    await refuse({ coupled: true, workers: 2 }, 'a coupled batch is not shared among workers; give threads instead');
    await refuse(
      { threads: 2 },
      'unless the batch is coupled, every worker has one thread; give workers instead of threads',
    );
    parameters.forEach((variable) => variable.dispose());
    tf.engine().endScope();
  });
});

test('a trainable variable that is not among the parameters is refused by its name, shape and reader; one that is not trainable is a constant', async () => {
  tf.engine().startScope();
  const w = tf.variable(values([2, 2], 1));
  const hidden = [tf.variable(values([2, 2], 2), true, 'hidden'), tf.variable(values([2], 3))];
  const loss = (x: tf.Tensor) =>
    tf.mean(tf.add(tf.matMul(tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D), hidden[0] as tf.Tensor2D), hidden[1]));
  const start = () => compileGradients(loss, new Map([['w', w]]), [tf.zeros([1, 2])], { microBatch: 1, workers: 1 });
  const refused = 'compileGradients: the loss reads a trainable variable that is not among the parameters,';
  await expect(start()).rejects.toThrow(`${refused} "hidden" [2, 2] (in BatchMatMul); add it to them`);
  hidden[0].trainable = false;
  await expect(start()).rejects.toThrow(`${refused} [2] (in Add); add it to them`);
  hidden[1].trainable = false;
  const compiled = await start();
  const x = values([1, 2], 4);
  const { loss: value } = await compiled.run(new Map([['w', w.dataSync() as Float32Array]]), [
    x.dataSync() as Float32Array,
  ]);
  expect(value).toBeCloseTo(loss(x).dataSync()[0], 5);
  await compiled.dispose();
  [w, ...hidden].forEach((variable) => variable.dispose());
  tf.engine().endScope();
});

test('a batch that cannot be computed is one error, and the next one is computed', async () => {
  tf.engine().startScope();
  const table = tf.variable(values([5], 1));
  const loss = (i: tf.Tensor) => tf.mean(tf.gather(table, i as tf.Tensor1D));
  const compiled = await compileGradients(loss, new Map([['table', table]]), [tf.tensor1d([0], 'int32')], {
    microBatch: 2,
    workers: 2,
  });
  const now = new Map([['table', table.dataSync() as Float32Array]]);
  await expect(compiled.run(now, [new Int32Array(16).fill(9)])).rejects.toThrow(/^compileGradients: .*out of/s);
  const { gradients } = await compiled.run(now, [Int32Array.of(1, 1, 3, 0)]);
  expect([...gradients.get('table')!]).toEqual([0.25, 0.5, 0, 0.25, 0]);
  await compiled.dispose();
  table.dispose();
  tf.engine().endScope();
});

test('a dense layer over pixels trains, by matMul as by einsum, with the gradients of the matrix product', async () => {
  tf.engine().startScope();
  const parameters = new Map([['w', tf.tidy(() => tf.variable(values([3, 4], 1)))], ['b', tf.tidy(() => tf.variable(values([4], 2)))]]); // prettier-ignore
  const [w, b] = parameters.values();
  const layers: Record<string, (x: tf.Tensor) => tf.Tensor> = {
    matMul: (x) => tf.matMul(x, w),
    einsum: (x) => tf.einsum('bpi,ij->bpj', x, w),
    flat: (x) => tf.reshape(tf.matMul(tf.reshape(x, [-1, 3]), w as tf.Tensor2D), [x.shape[0], -1, 4]),
  };
  const n = 6;
  const x = values([n, 5, 3], 3).dataSync() as Float32Array;
  const loss = (layer: (x: tf.Tensor) => tf.Tensor) => (input: tf.Tensor) =>
    tf.mean(tf.square(tf.tanh(tf.add(layer(input), b))));
  const expected = eager(() => loss(layers.flat)(tf.tensor(x, [n, 5, 3])), parameters);
  for (const [name, layer] of Object.entries(layers)) {
    for (const path of ['fast', 'portable'] as const) {
      const compiled = await compileGradients(loss(layer), parameters, [values([2, 5, 3], 1)], {
        microBatch: 2,
        workers: 2,
        path,
      });
      const actual = await compiled.run(current(parameters), [x]);
      expect(actual.loss).toBeCloseTo(expected.loss, 5);
      for (const [parameter, gradient] of expected.gradients) {
        const difference = Math.max(
          ...gradient.map((value, i) => Math.abs(value - actual.gradients.get(parameter)![i])),
        );
        expect({ name, path, parameter, near: difference < 1e-6 }).toMatchObject({ near: true });
      }
      await compiled.dispose();
    }
  }
  parameters.forEach((variable) => variable.dispose());
  tf.engine().endScope();
});

describe('groups of micro-batches', () => {
  test.each([1, 2, 7, 8, 15, 16, 17, 64, 65, 1000])(
    'of %d are as even as can be, and enough for many workers',
    (microBatches) => {
      const sizes = groupSizes(microBatches);
      expect(sizes.reduce((sum, size) => sum + size)).toBe(microBatches);
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      expect(sizes.length).toBeGreaterThanOrEqual(Math.min(microBatches, Math.max(8, microBatches / 4)));
    },
  );

  test('get to every worker that is started, of more than 8 as well, and start no more than there are', async () => {
    tf.engine().startScope();
    const { parameters, mean } = network();
    const posted = jest.spyOn(Worker.prototype, 'postMessage');
    const busy = () => {
      const requests = posted.mock.calls.map(([request], i) => ({
        request: request as Request,
        worker: posted.mock.contexts[i] as Worker,
      }));
      posted.mockClear();
      return new Set(requests.filter(({ request }) => request.kind === 'run').map(({ worker }) => worker.threadId))
        .size;
    };
    const results: string[] = [];
    for (const workers of [10, 1]) {
      // Ready for 3 micro-batches.
      const compiled = await compileGradients(mean, parameters, [values([6, 5, 5, 2], 1), values([6], 2)], {
        microBatch: 2,
        workers,
      });
      expect(compiled.workers).toBe(Math.min(3, workers));
      for (const [microBatches, expected] of [
        [1, 0],
        [3, 3],
        [12, 8],
        [40, 10],
        [2, 2],
      ]) {
        // prettier-ignore
        const { loss, gradients } = await compiled.run(current(parameters), data(2 * microBatches));
        results.push([microBatches, loss, ...[...gradients.values()].map(bytes)].join());
        expect({ microBatches, busy: busy() }).toEqual({ microBatches, busy: Math.min(workers, expected) });
      }
      expect(compiled.workers).toBe(workers);
      await compiled.dispose();
    }
    expect(results.slice(5)).toEqual(results.slice(0, 5));
    posted.mockRestore();
    parameters.forEach((variable) => variable.dispose());
    tf.engine().endScope();
  });
});

describe('the pool of workers', () => {
  const memory = createWeights([], true);
  const broken: ProgramSpec = {
    id: 1,
    main: new Uint8Array([1, 2, 3]),
    optimization: 'disabled',
    batch: [],
    fixed: [],
    results: [],
    sums: [],
  };

  test('reports what a worker could not do, and goes on', async () => {
    const pool = new Pool('compileGradients', 2, memory);
    for (let i = 0; i < 2; i++) await expect(pool.open(broken, 2)).rejects.toThrow(/^compileGradients: .*protobuf/i);
    const request = { kind: 'run', program: 1, batch: [], microBatches: 1 } as const;
    await expect(pool.run(broken, () => request)).rejects.toThrow(/^compileGradients: .*protobuf/i);
    await pool.close();
    await expect(pool.open(broken, 2)).rejects.toThrow('disposed');
  });

  test('reports a worker that dies, instead of waiting for it', async () => {
    const pool = new Pool('compileGradients', 2, memory);
    const pending = pool.open(broken, 2);
    const { members } = pool as unknown as { members: { thread: { end(): Promise<unknown> } }[] };
    void members[0].thread.end();
    await expect(pending).rejects.toThrow(/a worker ended unexpectedly|compileGradients/);
    await pool.close();
  });
});
