// What is known of the authors' own networks (originals.py), beside what ours make of the same numbers.
import { namedParameters, torchAxes } from '@ddpm/layers';
import * as tf from '@tensorflow/tfjs-core';

const product = (shape) => shape.reduce((a, b) => a * b, 1);

/** Numbers in [−1/2, 1/2) that look random and are the same everywhere (`known` in originals.py). */
export function known(index, size) {
  return Float32Array.from({ length: size }, (_, i) => {
    const v = Math.sin(12.9898 * (i + 1) + 78.233 * (index + 1)) * 43758.5453;
    return v - Math.floor(v) - 0.5;
  });
}

/** A case's weights by their PyTorch names, in PyTorch's layout (`fill` in originals.py). */
export function weightsOf({ shapes }) {
  return new Map(
    Object.entries(shapes).map(([name, shape], index) => {
      const values = known(index, product(shape));
      const factor = 3 / Math.sqrt(values.length / shape[0]);
      return [name, { shape, data: values.map((v) => (shape.length === 1 ? v + 1 : v * factor)) }];
    }),
  );
}

const images = (values, [n, c, h, w]) => tf.transpose(tf.tensor(values, [n, c, h, w]), [0, 2, 3, 1]);
/** A result's values in PyTorch's layout. */
export const torchLayout = (x) => [...(x.rank === 4 ? tf.transpose(x, [0, 3, 1, 2]) : x).dataSync()];
/** The largest difference, as a share of the largest value. */
export const difference = (ours, theirs) =>
  theirs.reduce((most, value, i) => Math.max(most, Math.abs(value - ours[i])), 0) /
  theirs.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** The inputs of a case's network. */
export function inputsOf({ size, batch = 2, label, embDim, positions, options }) {
  const channels = options.in_channels;
  const [h, w] = [size].flat().length === 2 ? size : [size, size];
  const values = known(1000, batch * channels * h * w).map((v) => v * 3);
  const x = tf.tidy(() => images(values, [batch, channels, h, w]));
  const t = tf.tensor1d(Array.from({ length: batch }, (_, i) => (i * 371 + 3) % 1000));
  const width = options.cross_attention_dim;
  const condition = {
    ...(label !== undefined && { label: labelOf({ label, batch, embDim, options }) }),
    ...(positions && { context: tf.tensor(known(1003, batch * positions * width), [batch, positions, width]) }),
  };
  return { x, t, ...(Object.keys(condition).length > 0 && { condition }) };
}

function labelOf({ label, batch, embDim, options }) {
  if (label === 'embedding') return tf.tensor(known(1001, batch * embDim), [batch, embDim]);
  return tf.tensor1d(label, options.class_embed_type === 'timestep' ? 'float32' : 'int32');
}

/**
 * How far a network of ours is from the original: the largest differences of the output and of the images' gradient as
 * shares of the largest value, and of the parameters' gradients, of their norms and products with known numbers, as a
 * share of their norms.
 * @param network ours, with the weights of `weightsOf`
 * @param names its parameters' PyTorch names by path
 */
export function compare(network, names, of, original) {
  return tf.tidy(() => {
    const { x, t, condition } = inputsOf(of);
    const output = network.apply(x, t, condition);
    const weights = known(1002, output.size);
    const cotangent = output.rank === 4 ? images(weights, original.shape) : tf.tensor(weights, output.shape);
    const loss = (image) => tf.sum(tf.mul(network.apply(image, t, condition), cotangent));
    const parameters = namedParameters(network);
    const axes = torchAxes(network);
    const { grads } = tf.variableGrads(() => loss(x), [...parameters.values()]);
    const found = [...parameters].flatMap(([path, variable]) => {
      const name = names.get(path);
      const expected = original.gradients[name];
      const ours = tf.transpose(grads[variable.name], axes.get(path)).dataSync();
      // What is never learned has none there.
      if (!expected) return ours.every((v) => v === 0) ? [] : [[name, Infinity]];
      const [norm, inner] = expected;
      const numbers = known(7, ours.length);
      const ourNorm = Math.sqrt(ours.reduce((sum, v) => sum + v * v, 0));
      const ourInner = ours.reduce((sum, v, i) => sum + v * numbers[i], 0);
      // A bias of the keys moves all scores of a query alike, so that its gradient is nothing but rounding.
      if (name.endsWith('to_k.bias') || norm < 1e-4) return [[name, ourNorm < 1e-4 ? 0 : Infinity]];
      return [[name, Math.max(Math.abs(ourNorm - norm), Math.abs(ourInner - inner)) / norm]];
    });
    const [worst, gradients] = found.reduce((a, b) => (b[1] > a[1] ? b : a), ['', 0]);
    return {
      output: difference(torchLayout(output), original.output),
      dx: difference(torchLayout(tf.grad(loss)(x)), original.dx),
      gradients,
      worst,
      compared: found.length,
    };
  });
}
