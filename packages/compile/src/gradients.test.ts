import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { compileGradients } from './gradients';
import { values } from './lower/compare';
import { Pool } from './pool';

/** A small network with what the U-Net has: convolutions, a norm over each image, a depthwise convolution, attention, a loss. */
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
    const [q, k, v] = tf.split(tf.reshape(tf.conv2d(h as tf.Tensor4D, get('qkv') as tf.Tensor4D, 1, 'same'), [x.shape[0], 25, 12]), 3, 2);
    h = tf.mean(tf.matMul(tf.softmax(tf.matMul(q, k, false, true)), v), 1);
    return tf.square(tf.sub(tf.reshape(tf.matMul(h as tf.Tensor2D, get('out') as tf.Tensor2D), [-1]), target));
  };
  return { parameters, errors, mean: (x: tf.Tensor, target: tf.Tensor) => tf.mean(errors(x, target)) };
}

const data = (n: number) => [values([n, 5, 5, 2], n).dataSync() as Float32Array, values([n], n + 1).dataSync() as Float32Array];
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
  test.each(['fast', 'portable'] as const)('agrees with tfjs on whole and partial batches, on the %s path', async (path) => {
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
      expect(actual.losses).toBeUndefined();
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
  });

  test('is the same to the bit, again and with 1, 2 and 3 workers', async () => {
    tf.engine().startScope();
    const { parameters, mean } = network();
    const results: string[] = [];
    for (const workers of [1, 2, 3]) {
      const compiled = await compileGradients(mean, parameters, [values([2, 5, 5, 2], 1), values([2], 2)], { microBatch: 2, workers });
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

  test("returns the examples' losses where the function does", async () => {
    tf.engine().startScope();
    const { parameters, errors, mean } = network();
    const examples = [values([2, 5, 5, 2], 1), values([2], 2)];
    const [each, averaged] = await Promise.all([
      compileGradients(errors, parameters, examples, { microBatch: 4 }),
      compileGradients(mean, parameters, examples, { microBatch: 4 }),
    ]);
    const [one, other] = [await each.run(current(parameters), data(7)), await averaged.run(current(parameters), data(7))];
    const [x, target] = data(7);
    const expected = errors(tf.tensor(x, [7, 5, 5, 2]), tf.tensor(target)).dataSync();
    expect(one.losses!.length).toBe(7);
    one.losses!.forEach((value, i) => expect(value).toBeCloseTo(expected[i], 4));
    expect(one.loss).toBeCloseTo(other.loss, 5);
    one.gradients.get('conv')!.forEach((value, i) => expect(value).toBeCloseTo(other.gradients.get('conv')![i], 5));
    await Promise.all([each.dispose(), averaged.dispose()]);
    parameters.forEach((variable) => variable.dispose());
    tf.engine().endScope();
  });

  test('takes many small parameters, and a sum that is the gradient of two', async () => {
    tf.engine().startScope();
    const parameters = new Map(
      Array.from({ length: 50 }, (_, i) => [`p${i}`, tf.tidy(() => tf.variable(values(i < 2 ? [3] : [3, 3], i, { scale: 0.5 })))] as const),
    );
    const [shared, ...layers] = [...parameters.values()];
    const loss = (x: tf.Tensor) =>
      tf.mean(
        layers.reduce<tf.Tensor>(
          (h, p, i) => (i === 0 ? tf.add(h, tf.add(p, shared)) : tf.add(h, tf.tanh(tf.matMul(h as tf.Tensor2D, p as tf.Tensor2D)))),
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
    expect(new Set([...(await compiled.run(current(parameters), [x.dataSync() as Float32Array])).gradients.values()]).size).toBe(50);
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
      [5, 3, 5].map((n) => compiled.run(current(parameters), [new Float32Array(n * 50).fill(0.1), new Float32Array(n)])),
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
    await expect(compiled.run(now, [new Float32Array(51), new Float32Array(1)])).rejects.toThrow('input 0 has 51 elements');
    await expect(compiled.run(now, [new Float32Array(100), new Float32Array(3)])).rejects.toThrow('input 1 has 3 elements');
    await expect(compiled.run(now, [new Float32Array(100)])).rejects.toThrow('has 2 inputs, got 1');
    await expect(compiled.run(now, [new Int32Array(100), new Float32Array(2)])).rejects.toThrow('input 0 must be a Float32Array');
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
  const { loss: value } = await compiled.run(new Map([['w', w.dataSync() as Float32Array]]), [x.dataSync() as Float32Array]);
  expect(value).toBeCloseTo(loss(x).dataSync()[0], 5);
  await compiled.dispose();
  [w, ...hidden].forEach((variable) => variable.dispose());
  tf.engine().endScope();
});

test('a batch that cannot be computed is one error, and the next one is computed', async () => {
  tf.engine().startScope();
  const table = tf.variable(values([5], 1));
  const loss = (i: tf.Tensor) => tf.mean(tf.gather(table, i as tf.Tensor1D));
  const compiled = await compileGradients(loss, new Map([['table', table]]), [tf.tensor1d([0], 'int32')], { microBatch: 2, workers: 2 });
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
  const loss = (layer: (x: tf.Tensor) => tf.Tensor) => (input: tf.Tensor) => tf.mean(tf.square(tf.tanh(tf.add(layer(input), b))));
  const expected = eager(() => loss(layers.flat)(tf.tensor(x, [n, 5, 3])), parameters);
  for (const [name, layer] of Object.entries(layers)) {
    for (const path of ['fast', 'portable'] as const) {
      const compiled = await compileGradients(loss(layer), parameters, [values([2, 5, 3], 1)], { microBatch: 2, workers: 2, path });
      const actual = await compiled.run(current(parameters), [x]);
      expect(actual.loss).toBeCloseTo(expected.loss, 5);
      for (const [parameter, gradient] of expected.gradients) {
        const difference = Math.max(...gradient.map((value, i) => Math.abs(value - actual.gradients.get(parameter)![i])));
        expect({ name, path, parameter, near: difference < 1e-6 }).toMatchObject({ near: true });
      }
      await compiled.dispose();
    }
  }
  parameters.forEach((variable) => variable.dispose());
  tf.engine().endScope();
});

describe('the pool of workers', () => {
  const workerData = { parameters: [], shared: new SharedArrayBuffer(4) };
  const program = { id: 1, main: new Uint8Array([1, 2, 3]), batch: [], fixed: [], sums: [], perExample: false };

  test('reports what a worker could not do, and goes on', async () => {
    const pool = new Pool('compileGradients', 2, workerData);
    const open = { kind: 'open', program } as const;
    for (let i = 0; i < 2; i++) await expect(pool.broadcast(open)).rejects.toThrow(/^compileGradients: .*protobuf/i);
    await pool.close();
    await expect(pool.broadcast(open)).rejects.toThrow('disposed');
  });

  test('reports a worker that dies, instead of waiting for it', async () => {
    const pool = new Pool('compileGradients', 2, workerData);
    const { members } = pool as unknown as { members: { worker: { terminate(): Promise<number> } }[] };
    const pending = pool.broadcast({ kind: 'group', program: 9, step: 0, batch: [], microBatches: 1, sums: new SharedArrayBuffer(0) });
    void members[0].worker.terminate();
    await expect(pending).rejects.toThrow(/a worker ended unexpectedly|compileGradients/);
    await pool.close();
  });
});
