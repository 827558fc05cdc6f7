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
      Object.entries({ w1: [784, 256], b1: [256], w2: [256, classes], b2: [classes] }).map(([name, shape]) => [name, parameter(shape)]),
    );
    const { w1, b1, w2, b2 } = Object.fromEntries(parameters);
    return { parameters, logits: (x) => tf.add(tf.matMul(tf.relu(tf.add(tf.matMul(tf.reshape(x, [-1, 784]), w1), b1)), w2), b2) };
  },
  CNN: () => {
    const parameters = new Map(
      Object.entries({ c1: [3, 3, 1, 16], c2: [3, 3, 16, 32], w: [7 * 7 * 32, classes] }).map(([name, shape]) => [name, parameter(shape)]),
    );
    const { c1, c2, w } = Object.fromEntries(parameters);
    const logits = (x) =>
      tf.matMul(tf.reshape(tf.relu(tf.conv2d(tf.relu(tf.conv2d(x, c1, 2, 'same')), c2, 2, 'same')), [-1, 7 * 7 * 32]), w);
    return { parameters, logits };
  },
};

/** Milliseconds of each of `repeat` calls, after one that does not count. */
async function time(repeat, step) {
  await step();
  const milliseconds = [];
  for (let i = 0; i < repeat; i++) {
    const start = performance.now();
    await step();
    milliseconds.push(performance.now() - start);
  }
  return median(milliseconds);
}

/** Rows of the table: [what, ours in ms, backend, its ms]. */
export async function smallModels(repeat = 10) {
  tf.enableProdMode();
  registerWasmKernels();
  await tf.setBackend('cpu');
  const rows = [];
  for (const [name, build] of Object.entries(models)) {
    const results = {};
    for (const backend of ['compiled', 'cpu', 'wasm']) {
      await tf.setBackend(backend === 'compiled' ? 'cpu' : backend);
      const { parameters, logits } = build();
      const loss = (x, y) => tf.losses.softmaxCrossEntropy(y, logits(x));
      const x = tf.randomNormal([batch, 28, 28, 1]);
      const y = tf.oneHot(tf.range(0, batch, 1, 'int32').mod(tf.scalar(classes, 'int32')), classes).toFloat();
      try {
        if (backend === 'compiled') {
          const compiled = await compileGradients(loss, parameters, [x, y]);
          const values = new Map([...parameters].map(([key, variable]) => [key, variable.dataSync()]));
          const inputs = [x, y].map((tensor) => Float32Array.from(tensor.dataSync()));
          results[backend] = await time(10 * repeat, () => compiled.run(values, inputs));
          await compiled.dispose();
        } else {
          results[backend] = await time(repeat, async () => {
            const { value, grads } = tf.variableGrads(() => loss(x, y), [...parameters.values()]);
            await Promise.all(Object.values(grads).map((gradient) => gradient.data()));
            tf.dispose([value, grads]);
          });
        }
      } catch (error) {
        results[backend] = undefined;
        if (backend === 'compiled') throw error;
        results[`${backend}Error`] = error.message.split('\n')[0];
      }
    }
    for (const backend of ['cpu', 'wasm']) rows.push([name, results.compiled, backend, results[backend], results[`${backend}Error`]]);
  }
  return rows;
}
