import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Worker as NodeWorker } from 'node:worker_threads';
import type * as Web from './index';

/* What pages load, as built, on onnxruntime-web, with Node's threads in the place of a page's workers. */

const inWorker = `
const { parentPort, workerData } = require('node:worker_threads');
globalThis.self = {
  addEventListener: (_, listener) => parentPort.on('message', (data) => listener({ data })),
  postMessage: (message, transferred) => parentPort.postMessage(message, transferred),
};
import(workerData);
`;

class PageWorker {
  private readonly worker: NodeWorker;

  constructor(url: URL) {
    this.worker = new NodeWorker(inWorker, { eval: true, workerData: url.href });
  }

  postMessage(message: unknown, transferred: ArrayBuffer[]) {
    this.worker.postMessage(message, transferred);
  }

  addEventListener(
    type: string,
    listener: (event: { data?: unknown; message?: string; preventDefault(): void }) => void,
  ) {
    const preventDefault = () => {};
    if (type === 'message') this.worker.on('message', (data) => listener({ data, preventDefault }));
    else this.worker.on('error', ({ message }) => listener({ message, preventDefault }));
  }

  terminate() {
    void this.worker.terminate();
  }
}

let web: typeof Web;

beforeAll(async () => {
  Object.assign(globalThis, { Worker: PageWorker });
  web = (await import(new URL('../../dist/web/index.js', import.meta.url).href)) as typeof Web;
  const wasm = createRequire(import.meta.url).resolve('onnxruntime-web/ort-wasm-simd-threaded.wasm');
  web.setRuntime({ wasmBinary: new Uint8Array(readFileSync(wasm)) });
});

afterAll(() => web.setRuntime({}));

const numbers = (shape: number[], seed: number) =>
  tf.tensor(
    Float32Array.from({ length: tf.util.sizeFromShape(shape) }, (_, i) => Math.sin((i + 1) * 12.9898 + seed * 78.233)),
    shape,
  );
const w: tf.Variable = tf.variable(numbers([3, 3, 2, 4], 1));
const b: tf.Variable = tf.variable(numbers([4], 2));
const network = (x: tf.Tensor4D) => tf.mean(tf.softplus(tf.add(tf.conv2d(x, w as tf.Tensor4D, 1, 'same'), b)), [1, 2]);

const differ = (actual: ArrayLike<number>, expected: ArrayLike<number>) => {
  expect(actual).toHaveLength(expected.length);
  return Math.max(...Array.from(expected, (value, i) => Math.abs(value - actual[i])));
};

test.each([{}, { microBatch: 2, workers: 2 }])('compile agrees with tfjs, with %j', async (options) => {
  const x = numbers([5, 6, 6, 2], 3) as tf.Tensor4D;
  const parameters = new Map([
    ['w', w],
    ['b', b],
  ]);
  const compiled = await web.compile(network, [x], { parameters, ...options });
  for (const values of [numbers([4], 4), numbers([4], 5)]) {
    // Workers hear of what is assigned.
    b.assign(values);
    const [actual, expected] = [await compiled(x), network(x)];
    expect(actual.shape).toEqual(expected.shape);
    expect(differ(actual.dataSync(), expected.dataSync())).toBeLessThan(1e-5);
  }
  expect([...x.dataSync()]).toEqual([...numbers([5, 6, 6, 2], 3).dataSync()]);
  await compiled.dispose();
  await expect(compiled(x)).rejects.toThrow('disposed');
});

test('compileGradients agrees with tfjs on whole and partial batches, with 1 and 2 workers to the bit', async () => {
  const loss = (images: tf.Tensor4D, target: tf.Tensor2D) => ({
    loss: tf.mean(tf.squaredDifference(network(images), target), 1),
    other: tf.sum(target, 1),
  });
  const parameters = new Map([
    ['w', w],
    ['b', b],
  ]);
  const values = () => new Map([...parameters].map(([name, v]) => [name, v.dataSync() as Float32Array]));
  const examples = [tf.zeros([2, 6, 6, 2]), tf.zeros([2, 4])];
  const [one, two] = await Promise.all(
    [1, 2].map((workers) => web.compileGradients(loss, parameters, examples, { microBatch: 2, workers })),
  );
  for (const n of [8, 7, 1]) {
    const inputs = [numbers([n, 6, 6, 2], n).dataSync(), numbers([n, 4], n + 1).dataSync()] as Float32Array[];
    const [a, again] = [await one.run(values(), inputs), await two.run(values(), inputs)];
    const [images, target] = [tf.tensor4d(inputs[0], [n, 6, 6, 2]), tf.tensor2d(inputs[1], [n, 4])];
    const expected = loss(images, target);
    const { value, grads } = tf.variableGrads(() => tf.mean(loss(images, target).loss), [w, b]);
    expect(Math.abs(a.loss - value.dataSync()[0])).toBeLessThan(1e-5);
    for (const name of ['loss', 'other'] as const)
      expect(differ(a.losses.get(name)!, expected[name].dataSync())).toBeLessThan(1e-5);
    for (const [name, variable] of parameters) {
      expect(differ(a.gradients.get(name)!, grads[variable.name].dataSync())).toBeLessThan(1e-5);
      expect([...again.gradients.get(name)!]).toEqual([...a.gradients.get(name)!]);
    }
    w.assign(tf.mul(w, 0.9));
  }
  expect([one.workers, two.workers]).toEqual([1, 2]);
  await Promise.all([one.dispose(), two.dispose()]);
});

test('a device that there is not is refused', () => {
  expect(() => web.setRuntime({ device: 'cuda' as 'wasm' })).toThrow(/device must be 'wasm' or 'webgpu', got cuda/);
});
