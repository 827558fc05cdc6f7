import * as tf from '@tensorflow/tfjs-core';
import type { TensorValues } from './parameters';
import { checkTensors, namedParameters } from './parameters';

/** Our fields that PyTorch's `Sequential`s know by position. */
const segments: Readonly<Record<string, string>> = {
  mlp: 'mlp.1',
  norm1: 'net.0',
  conv1: 'net.1',
  norm2: 'net.3',
  conv2: 'net.4',
  outConv: 'to_out.0',
  outNorm: 'to_out.1',
};

/** The name in a PyTorch `state_dict` of the parameter at a path within these layers: `mlp.weight` → `mlp.1.weight`. */
export function torchName(path: string): string {
  return path
    .split('.')
    .map((segment) => segments[segment] ?? segment.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`))
    .join('.');
}

/**
 * A parameter's axes in PyTorch's order: linear [in, out] becomes (out, in); convolution [h, w, in, out] becomes (out, in, h, w), which also
 * turns a transposed convolution's [h, w, out, in] into (in, out, h, w); depthwise [h, w, c, 1] becomes (c, 1, h, w).
 */
function torchAxes(path: string, rank: number): number[] {
  if (rank === 2) return [1, 0];
  if (rank === 4) return /(^|\.)dsConv\./.test(path) ? [2, 3, 0, 1] : [3, 2, 0, 1];
  return Array.from({ length: rank }, (_, axis) => axis);
}

/** The parameter at `path`, or its gradient, in PyTorch's layout: linear (out, in), convolution (out, in, h, w), and so on. */
export function toTorchLayout(path: string, x: tf.Tensor): tf.Tensor {
  return tf.transpose(x, torchAxes(path, x.rank));
}

/**
 * Sets a module's parameters, all or none, from the tensors of a PyTorch `state_dict`.
 * @param tensors float32 values by PyTorch's names, in PyTorch's layout
 * @param nameOf PyTorch's name of the parameter at a path
 * @throws Error that names tensors that are missing, unexpected, or not of their parameter's shape.
 */
export function loadTorchTensors(module: object, tensors: ReadonlyMap<string, TensorValues>, nameOf = torchName): void {
  const parameters = [...namedParameters(module)].map(([path, variable]) => {
    const axes = torchAxes(path, variable.rank);
    return { name: nameOf(path), variable, axes, shape: axes.map((axis) => variable.shape[axis]) };
  });
  checkTensors('loadTorchTensors', new Map(parameters.map(({ name, shape }) => [name, shape])), tensors);
  for (const { name, variable, axes, shape } of parameters) {
    const inverse = axes.map((_, axis) => axes.indexOf(axis));
    tf.tidy(() => variable.assign(tf.transpose(tf.tensor(tensors.get(name)!.data, shape, 'float32'), inverse)));
  }
}

/**
 * A module's parameters as the tensors of a PyTorch `state_dict`: what `loadTorchTensors` takes, to the bit.
 * @param nameOf PyTorch's name of the parameter at a path
 * @returns float32 values by PyTorch's names, in PyTorch's layout
 */
export async function toTorchTensors(module: object, nameOf = torchName): Promise<Map<string, TensorValues>> {
  const tensors = new Map<string, TensorValues>();
  for (const [path, variable] of namedParameters(module)) {
    const turned = toTorchLayout(path, variable);
    tensors.set(nameOf(path), { shape: turned.shape, data: await turned.data<'float32'>() });
    turned.dispose();
  }
  return tensors;
}
