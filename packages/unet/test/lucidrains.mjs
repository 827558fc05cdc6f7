import { namedParameters, torchAxes } from '@ddpm/layers';
import * as tf from '@tensorflow/tfjs-core';

/** Largest difference, as a share of the largest value, or of 1 where that is more. */
const difference = (actual, expected) =>
  actual.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0) /
  expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1);

/**
 * How far the network is from what scripts/compare_lucidrains.py wrote: its output, and the gradients of all parameters.
 * @param lucidrains the package or its sources
 * @param options those of denoising-diffusion-pytorch's Unet
 * @param golden the tensors that were written
 */
export function compareWithGolden({ unetFromLucidrains, lucidrainsTorchName }, options, golden) {
  const under = (prefix) =>
    new Map(
      [...golden]
        .filter(([name]) => name.startsWith(prefix))
        .map(([name, value]) => [name.slice(prefix.length), value]),
    );
  const unet = unetFromLucidrains(options, under('param/'));
  return tf.tidy(() => {
    const image = (name) => {
      const { shape, data } = golden.get(name);
      return tf.transpose(tf.tensor4d(data, shape), [0, 2, 3, 1]);
    };
    const [x, t, probe] = [image('x'), tf.tensor1d(golden.get('t').data), image('probe')];
    const output = difference(unet.apply(x, t).dataSync(), image('output').dataSync());
    const parameters = namedParameters(unet);
    const { grads } = tf.variableGrads(() => tf.sum(tf.mul(unet.apply(x, t), probe)), [...parameters.values()]);
    const axes = torchAxes(unet);
    const expected = under('grad/');
    const far = [...parameters].map(([path, { name }]) =>
      difference(tf.transpose(grads[name], axes.get(path)).dataSync(), expected.get(lucidrainsTorchName(path)).data),
    );
    for (const variable of parameters.values()) variable.dispose();
    return { output, gradients: Math.max(...far) };
  });
}
