import { readFileSync } from 'node:fs';
import { prepareExecution } from '@ddpm/execution';
import type { TensorValues } from '@ddpm/layers';
import { disposeParameters, namedParameters, parameterCount } from '@ddpm/layers';
import { readSafetensors } from '@ddpm/safetensors';
import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import createNetwork, { glideUnet, loadGlide } from './index';

const golden = readSafetensors(readFileSync('test/glide.safetensors')).tensors as ReadonlyMap<string, TensorValues>;
const of = (prefix: string) =>
  new Map(
    [...golden]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, tensor]) => [name.slice(prefix.length), tensor]),
  );
const options = {
  ...{ vocabularySize: 20, length: 6, textWidth: 16, textLayers: 2, textHeads: 4 },
  ...{ outChannels: 6, modelChannels: 16, channelMult: [1, 2], numResBlocks: 1, attentionResolutions: [2] },
  ...{ numHeadChannels: 8, resblockUpdown: true, groups: 8 },
};

/** Images, timesteps, tokens: the golden ones; and the output, channels last. */
function io() {
  const { x, t, tokens, out } = Object.fromEntries(of('io.'));
  const nhwc = (tensor: TensorValues) =>
    tf.transpose<tf.Tensor4D>(tf.tensor4d(tensor.data, tensor.shape as [number, number, number, number]), [0, 2, 3, 1]);
  const int = (tensor: TensorValues) => tf.tensor(tensor.data, [...tensor.shape], 'int32');
  return {
    x: nhwc(x),
    t: tf.cast(int(t) as tf.Tensor1D, 'float32'),
    tokens: int(tokens) as tf.Tensor2D,
    out: nhwc(out),
  };
}

const distance = (a: tf.Tensor, b: tf.Tensor) => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0];

test("glide-text2im's weights give its output to 1e-5, eagerly and compiled", async () => {
  const before = tf.memory().numTensors;
  const unet = glideUnet(options);
  const weights = of('weights.');
  loadGlide(unet, weights);
  expect([...weights.values()].reduce((sum, { data }) => sum + data.length, 0)).toBe(parameterCount(unet));
  const { x, t, tokens, out } = tf.tidy(io);
  tf.tidy(() => expect(distance(unet.apply(x, t, { tokens }), out)).toBeLessThan(1e-5));
  const execution = await prepareExecution('compiled');
  const run = await execution.compile(
    (images: tf.Tensor4D, times: tf.Tensor1D, ids: tf.Tensor2D) => unet.apply(images, times, { tokens: ids }),
    [x, t, tokens],
    { parameters: namedParameters(unet) },
  );
  const compiled = await run(x, t, tokens);
  tf.tidy(() => expect(distance(compiled, out)).toBeLessThan(1e-5));
  await run.dispose();
  tf.dispose([x, t, tokens, out, compiled]);
  expect(() => loadGlide(unet, new Map([...weights].slice(1)))).toThrow(/is missing/);
  disposeParameters(unet);
  expect(tf.memory().numTensors).toBe(before);
});

test('every parameter has a gradient, those of the text too', () => {
  const unet = createNetwork({
    ...{ vocabularySize: 5, length: 3, textWidth: 4, textLayers: 1, textHeads: 2, channels: 1 },
    ...{ modelChannels: 4, channelMult: [1, 2], numResBlocks: 1, groups: 2 },
  });
  const parameters = namedParameters(unet);
  tf.tidy(() => {
    // Branches begin at 0, and let nothing through.
    for (const variable of parameters.values())
      variable.assign(tf.add(variable, tf.randomNormal(variable.shape, 0, 0.1, 'float32', 1)));
    const [x, t] = [tf.randomNormal<tf.Rank.R4>([2, 4, 4, 1], 0, 1, 'float32', 3), tf.tensor1d([3, 70])];
    const tokens = tf.tensor2d([3, 1, 0, 2, 4, 1], [2, 3], 'int32');
    const loss = () => tf.mean<tf.Scalar>(tf.square(unet.apply(x, t, { tokens })));
    const { grads } = tf.variableGrads(loss, [...parameters.values()]);
    for (const [path, { name }] of parameters)
      expect([path, tf.max(tf.abs(grads[name])).dataSync()[0] > 0]).toEqual([path, true]);
  });
  disposeParameters(unet);
});

test('refuses other tokens, and options that there are not', () => {
  const unet = glideUnet({ ...options, imageChannels: 3 });
  tf.tidy(() => {
    const { x, t } = io();
    expect(() => unet.apply(x, t)).toThrow('AdmUnet: expected the conditions tokens, got none');
    expect(() => unet.apply(x, t, { tokens: tf.zeros([2, 4], 'int32') })).toThrow(
      'TextTransformer: expected tokens [n, 6], got [2, 4]',
    );
  });
  expect(() => glideUnet({ ...options, ...{ dim: 3 } })).toThrow('AdmUnet: there is no option dim');
  disposeParameters(unet);
});
