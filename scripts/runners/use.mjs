// What a program does with the packages, and what comes of it: the same under every runner and in every bundle.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCheckpoint, writeCheckpoint } from '@ddpm/checkpoint';
import { compile, compileGradients, exportOnnx } from '@ddpm/compile';
import { Conv2d, loadParameters, namedParameters, parameterValues } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs';

export const expected = {
  whole: [3, 7, 11],
  shared: [3, 7, 11],
  integers: [4, 9],
  loss: 44,
  gradient: [40, 48],
  losses: [4, 16, 36, 64, 100],
  kinds: [true, true, true, true],
  failure: 'the gather has an index out of bounds',
  exported: true,
  checkpoint: [1, 2],
  loaded: true,
};

export async function use() {
  tf.enableProdMode();
  await tf.setBackend('cpu');
  const w = tf.variable(tf.tensor2d([[1], [1]]));
  const sums = (x) => tf.squeeze(tf.matMul(x, w), [1]);
  const x = tf.tensor2d([1, 2, 3, 4, 5, 6], [3, 2]);

  const onThreads = await compile(sums, [x]);
  const whole = (await onThreads(x)).dataSync();
  await onThreads.dispose();
  const onWorkers = await compile(sums, [x], { microBatch: 1, workers: 2 });
  const shared = (await onWorkers(x)).dataSync();
  await onWorkers.dispose();
  const squares = await compile((n) => tf.mul(n, n), [tf.tensor1d([2, 3], 'int32')]);
  const integers = (await squares(tf.tensor1d([2, 3], 'int32'))).dataSync();
  await squares.dispose();

  // Two micro-batches on workers, and one example here.
  const rows = Float32Array.of(1, 1, 2, 2, 3, 3, 4, 4, 4, 6);
  const step = await compileGradients((row) => tf.square(sums(row)), new Map([['w', w]]), [x], {
    microBatch: 2,
    workers: 2,
  });
  const { loss, gradients, losses } = await step.run(new Map([['w', Float32Array.of(1, 1)]]), [rows]);
  await step.dispose();
  const [gradient, each] = [gradients.get('w'), losses.get('loss')];

  const pick = await compile((at) => tf.gather(x, at), [tf.tensor1d([0], 'int32')]);
  const failure = await pick(tf.tensor1d([7], 'int32')).then(
    () => 'none',
    ({ message }) => (/indices/.test(message) ? expected.failure : message),
  );
  await pick.dispose();

  const model = exportOnnx(sums, [x]);
  const folder = mkdtempSync(join(tmpdir(), 'ddpm-use-'));
  const path = join(folder, 'checkpoint.safetensors');
  await writeCheckpoint(path, {
    networks: {},
    meaning: {},
    step: 1,
    settings: {},
    weights: new Map([['w', { shape: [2], data: gradient.map((_, i) => i + 1) }]]),
    state: new Map([['m', gradient]]),
  });
  const read = await readCheckpoint(path);
  rmSync(folder, { recursive: true });

  const layer = () => new Conv2d({ inChannels: 2, outChannels: 3, kernelSize: 1, rng: new Random(1) });
  const [from, to] = [layer(), layer()];
  loadParameters(to, await parameterValues(from));

  return {
    whole: [...whole],
    shared: [...shared],
    integers: [...integers],
    loss,
    gradient: [...gradient],
    losses: [...each],
    kinds: [whole, shared, gradient, each].map((array) => array instanceof Float32Array),
    failure,
    exported: model instanceof Uint8Array && model.length > 100,
    checkpoint: [...read.weights.get('w').data],
    loaded: namedParameters(to).size === 2,
  };
}
