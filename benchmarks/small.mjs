// A training step of a small MLP and a small CNN: compiled, and eagerly on tfjs's own backends.
import { registerWasmKernels } from '@ddpm/backend';
import { compileGradients } from '@ddpm/compile';
import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { median } from './peer.mjs';

const batch = 128;
const classes = 10;

const parameter = (shape) => tf.tidy(() => tf.variable(tf.randomNormal(shape, 0, 0.1)));

const models = {
  MLP: () => {
    const parameters = new Map(
      Object.entries({ w1: [784, 256], b1: [256], w2: [256, classes], b2: [classes] }).map(([name, shape]) => [
        name,
        parameter(shape),
      ]),
    );
    const { w1, b1, w2, b2 } = Object.fromEntries(parameters);
    return {
      parameters,
      logits: (x) => tf.add(tf.matMul(tf.relu(tf.add(tf.matMul(tf.reshape(x, [-1, 784]), w1), b1)), w2), b2),
    };
  },
  CNN: () => {
    const parameters = new Map(
      Object.entries({ c1: [3, 3, 1, 16], c2: [3, 3, 16, 32], w: [7 * 7 * 32, classes] }).map(([name, shape]) => [
        name,
        parameter(shape),
      ]),
    );
    const { c1, c2, w } = Object.fromEntries(parameters);
    const logits = (x) =>
      tf.matMul(
        tf.reshape(tf.relu(tf.conv2d(tf.relu(tf.conv2d(x, c1, 2, 'same')), c2, 2, 'same')), [-1, 7 * 7 * 32]),
        w,
      );
    return { parameters, logits };
  },
};

/** How often each side runs in a round: what takes milliseconds, more often. */
const calls = { compiled: 20, wasm: 5, cpu: 1 };

/** A model on its backend, ready to run: a function that takes one step. */
async function prepare(build, backend) {
  await tf.setBackend(backend === 'compiled' ? 'cpu' : backend);
  const { parameters, logits } = build();
  const loss = (x, y) => tf.losses.softmaxCrossEntropy(y, logits(x));
  const x = tf.randomNormal([batch, 28, 28, 1]);
  const y = tf.oneHot(tf.range(0, batch, 1, 'int32').mod(tf.scalar(classes, 'int32')), classes).toFloat();
  if (backend !== 'compiled') {
    return async () => {
      const { value, grads } = tf.variableGrads(() => loss(x, y), [...parameters.values()]);
      await Promise.all(Object.values(grads).map((gradient) => gradient.data()));
      tf.dispose([value, grads]);
    };
  }
  const compiled = await compileGradients(loss, parameters, [x, y]);
  const values = new Map([...parameters].map(([key, variable]) => [key, variable.dataSync()]));
  const inputs = [x, y].map((tensor) => Float32Array.from(tensor.dataSync()));
  return () => compiled.run(values, inputs);
}

/** Rows of the table: [what, ours in ms, backend, its ms], medians over rounds in which every side runs in turn. */
export async function smallModels(rounds = 5) {
  tf.enableProdMode();
  registerWasmKernels();
  const rows = [];
  for (const [name, build] of Object.entries(models)) {
    const sides = [];
    for (const backend of Object.keys(calls))
      sides.push({ backend, step: await prepare(build, backend), milliseconds: [] });
    // The first round does not count.
    for (let round = 0; round <= rounds; round++) {
      for (const { backend, step, milliseconds } of sides) {
        await tf.setBackend(backend === 'compiled' ? 'cpu' : backend);
        for (let i = 0; i < calls[backend]; i++) {
          const start = performance.now();
          await step();
          if (round > 0) milliseconds.push(performance.now() - start);
        }
      }
    }
    const [ours, wasm, cpu] = sides.map(({ milliseconds }) => median(milliseconds));
    rows.push([name, ours, 'cpu', cpu], [name, ours, 'wasm', wasm]);
  }
  return rows;
}
