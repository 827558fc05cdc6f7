// Our side of the comparison: answers the requests that pytorch.py describes, in the same words.
import { compile, compileGradients } from '@ddpm/compile';
import { adam } from '@ddpm/diffusion';
import { namedParameters } from '@ddpm/layers';
import { Unet } from '@ddpm/unet';
import * as tf from '@tensorflow/tfjs';
import { createInterface } from 'node:readline';

tf.enableProdMode();
await tf.setBackend('cpu');

let network;
let parameters;
let gradients;
let values;
let optimizer;
const forwards = new Map();

const answer = (message) => console.log(JSON.stringify(message));
const uniform = (length) => Float32Array.from({ length }, () => 2 * Math.random() - 1);
const timesteps = (length) => Int32Array.from({ length }, () => Math.floor(Math.random() * 200));

/** Smooth L1, whose derivative is the error clipped to ±1. */
function huber(prediction, target) {
  const error = tf.abs(tf.sub(prediction, target));
  const inner = tf.minimum(error, 1);
  return tf.mean(tf.add(tf.mul(tf.square(inner), 0.5), tf.sub(error, inner)));
}

async function build({ blocks, dim, mults, channels, groups }) {
  network = new Unet({ dim, dimMults: mults, channels, useConvnext: blocks === 'convnext', resnetBlockGroups: groups });
  parameters = namedParameters(network);
  values = new Map([...parameters].map(([name, variable]) => [name, variable.dataSync().slice()]));
  optimizer = adam();
  return { parameters: [...values.values()].reduce((sum, { length }) => sum + length, 0) };
}

/** Traces and opens what the request needs, once for each image size. */
async function prepare({ op, batch, size }) {
  const channels = network.initConv.weight.shape[2];
  const start = performance.now();
  if (op === 'step') {
    if (gradients?.size === size) return 0;
    await gradients?.compiled.dispose();
    const images = [batch, size, size, channels];
    const examples = [tf.zeros(images), tf.zeros(images), tf.zeros([batch], 'int32')];
    const compiled = await compileGradients((xt, noise, t) => huber(network.apply(xt, t), noise), parameters, examples);
    gradients = { size, compiled };
  } else if (!forwards.has(size)) {
    const examples = [tf.zeros([batch, size, size, channels]), tf.zeros([batch], 'int32')];
    forwards.set(size, await compile((xt, t) => network.apply(xt, t), examples, { microBatch: 'auto' }));
  }
  return (performance.now() - start) / 1000;
}

async function run({ op, batch, size, repeat }) {
  const preparation = await prepare({ op, batch, size });
  const channels = network.initConv.weight.shape[2];
  const pixels = batch * size * size * channels;
  const seconds = [];
  for (let i = 0; i < repeat; i++) {
    const [x, noise, t] = [uniform(pixels), uniform(pixels), timesteps(batch)];
    const start = performance.now();
    if (op === 'step') {
      const result = await gradients.compiled.run(values, [x, noise, t]);
      optimizer.update(values, result.gradients, 1e-3);
    } else {
      const inputs = [tf.tensor(x, [batch, size, size, channels]), tf.tensor1d(t, 'int32')];
      const y = await forwards.get(size)(...inputs);
      await y.data();
      tf.dispose([y, ...inputs]);
    }
    seconds.push((performance.now() - start) / 1000);
  }
  return { seconds, preparation, microBatch: gradients?.compiled.microBatch };
}

answer({ node: process.version });
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  const result = request.op === 'build' ? await build(request) : await run(request);
  answer({ ...result, peakMegabytes: process.resourceUsage().maxRSS / 1024 });
}
process.exit(0);
