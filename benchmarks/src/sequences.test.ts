import { readFileSync } from 'node:fs';
import { compile, compileGradients } from '@ddpm/compile';
import { loadTorchTensors, namedParameters, torchAxes } from '@ddpm/layers';
import { readSafetensors } from '@ddpm/safetensors';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs';
import type { Module } from '../../packages/layers/test/sequences';
import { sequences } from '../../packages/layers/test/sequences';

// PyTorch's layers for sequences, run in float64 by PyTorch (the file is the layers package's), against the compiled
// engine.
const golden = readSafetensors(readFileSync('../packages/layers/test/sequences.safetensors')).tensors as unknown as Map<
  string,
  { shape: number[]; data: Float32Array }
>;

function stored(name: string): tf.Tensor {
  const { shape, data } = golden.get(name)!;
  return tf.tensor(data, shape, (data as unknown) instanceof Int32Array ? 'int32' : 'float32');
}
/** max |actual − expected| relative to max |expected|. */
function relativeError(actual: tf.Tensor, expected: tf.Tensor): number {
  expect(actual.shape).toEqual(expected.shape);
  return tf.div(tf.max(tf.abs(tf.sub(actual, expected))), tf.max(tf.abs(expected))).dataSync()[0];
}

describe.each(['fast', 'portable'] as const)('compiled, on the %s path', (path) => {
  test.each(Object.keys(sequences))('%s has the output and the gradients of PyTorch', async (name) => {
    tf.engine().startScope();
    const module = sequences[name]() as Module;
    const prefix = `${name}/param/`;
    loadTorchTensors(
      module,
      new Map([...golden].filter(([key]) => key.startsWith(prefix)).map(([key, x]) => [key.slice(prefix.length), x])),
    );
    const inputs = [0, 1, 2].filter((i) => golden.has(`${name}/input.${i}`)).map((i) => stored(`${name}/input.${i}`));
    const cotangent = stored(`${name}/cotangent`);

    const forward = await compile((...xs: tf.Tensor[]) => module.apply(...xs), inputs, { path });
    expect(relativeError(await forward(...inputs), stored(`${name}/output`))).toBeLessThan(1e-5);
    await forward.dispose();

    const floats = inputs.filter(({ dtype }) => dtype === 'float32');
    if (floats.length > 0) {
      const gradients = (...xs: tf.Tensor[]) =>
        tf.grads((...ys: tf.Tensor[]) => tf.sum(tf.mul(module.apply(...ys, ...xs.slice(floats.length)), cotangent)))(
          xs.slice(0, floats.length),
        );
      const backward = await compile(gradients, inputs, { path });
      (await backward(...inputs)).forEach((gradient, i) =>
        expect(relativeError(gradient, stored(`${name}/grad_input.${i}`))).toBeLessThan(1e-4),
      );
      await backward.dispose();
    }

    const parameters = namedParameters(module);
    if (parameters.size > 0) {
      const n = cotangent.shape[0];
      // What PyTorch derived is the sum over the batch.
      const losses = (weights: tf.Tensor, ...xs: tf.Tensor[]) =>
        tf.mul(tf.sum(tf.reshape(tf.mul(module.apply(...xs), weights), [weights.shape[0], -1]), 1), n);
      const examples = [cotangent, ...inputs];
      const compiled = await compileGradients(losses, parameters, examples, { path, microBatch: 1, workers: 1 });
      const { gradients } = await compiled.run(
        new Map([...parameters].map(([key, variable]) => [key, variable.dataSync() as Float32Array])),
        examples.map((x) => x.dataSync() as Float32Array | Int32Array),
      );
      const axes = torchAxes(module);
      for (const [key, { shape }] of parameters) {
        const gradient = tf.transpose(tf.tensor(gradients.get(key)!, shape), axes.get(key));
        // A bias of the keys moves all scores of a query alike, so that its gradient is nothing but rounding.
        if (key.endsWith('toK.bias')) expect(tf.max(tf.abs(gradient)).dataSync()[0]).toBeLessThan(1e-5);
        else expect(relativeError(gradient, stored(`${name}/grad/${key}`))).toBeLessThan(1e-4);
      }
      await compiled.dispose();
    }
    tf.engine().endScope();
  });
});
