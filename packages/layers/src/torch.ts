import { assignLazily } from './lazy-tensor';
import type { StoredValues, TensorValues } from './parameters';
import { assign, checkTensors, heldParameters, namedParameters } from './parameters';

/**
 * For those fields of a class whose axes PyTorch has in another order: which of our axes each of PyTorch's is. A class
 * says so itself, as `static readonly torchAxes: TorchAxes = { weight: [1, 0] }`.
 */
export type TorchAxes = Readonly<Record<string, readonly number[]>>;

/**
 * Which axis of ours each of PyTorch's is, for every parameter of a module by its path, as the classes that hold them
 * say: `tf.transpose` by them brings a parameter, or its gradient, into PyTorch's layout.
 */
export function torchAxes(module: object): Map<string, number[]> {
  return new Map(
    [...heldParameters(module)].map(([path, { variable, owner, field }]) => {
      const { torchAxes: declared } = owner.constructor as { torchAxes?: TorchAxes };
      return [path, [...(declared?.[field] ?? variable.shape.keys())]];
    }),
  );
}

/**
 * Sets a module's parameters, all or none, from the tensors of a PyTorch `state_dict`.
 * @param tensors float32 values by PyTorch's names, in PyTorch's layout; those that are stored elsewhere are read when
 * they are needed
 * @param nameOf PyTorch's name of the parameter at a path; the path itself by default
 * @throws Error that names tensors that are missing, unexpected, or not of their parameter's shape.
 */
export function loadTorchTensors(
  module: object,
  tensors: ReadonlyMap<string, TensorValues | StoredValues>,
  nameOf = (path: string) => path,
): void {
  const allAxes = torchAxes(module);
  const parameters = [...namedParameters(module)].map(([path, variable]) => {
    const axes = allAxes.get(path)!;
    return { name: nameOf(path), variable, axes, shape: axes.map((axis) => variable.shape[axis]) };
  });
  checkTensors('loadTorchTensors', new Map(parameters.map(({ name, shape }) => [name, shape])), tensors);
  for (const { name, variable, axes, shape } of parameters) {
    const inverse = axes.map((_, axis) => axes.indexOf(axis));
    const tensor = tensors.get(name)!;
    if ('read' in tensor) assignLazily(variable, () => transposed(tensor.read(), shape, inverse));
    else assign(variable, transposed(tensor.data, shape, inverse));
  }
}

/** Rows and columns at a time, so that what is read and what is written stay in the cache. */
const TILE = 32;

/** Values of the given shape with their axes in another order, as `tf.transpose` does it; for millions of weights that is slow. */
export function transposed(data: Float32Array, shape: readonly number[], order: readonly number[]): Float32Array {
  if (order.every((axis, i) => axis === i)) return data.slice();
  const after = (sizes: readonly number[], axis: number) => sizes.slice(axis + 1).reduce((a, b) => a * b, 1);
  const sizes = order.map((axis) => shape[axis]);
  /** By the axes of the input: how far apart its neighbours lie there, and in the output. */
  const from = shape.map((_, axis) => after(shape, axis));
  const to = shape.map((_, axis) => after(sizes, order.indexOf(axis)));
  const [fast, slow] = [shape.length - 1, order[order.length - 1]];
  const others = shape.map((_, axis) => axis).filter((axis) => axis !== fast && axis !== slow);
  const out = new Float32Array(data.length);
  const index = others.map(() => 0);
  // Of the axis along which the output has its neighbours, and of the one along which the input has them.
  const [rows, columns] = [shape[slow], slow === fast ? 1 : shape[fast]];
  const [step, stride] = [from[slow], to[fast]];
  for (let done = 0, read = 0, written = 0; done < data.length; done += rows * columns) {
    for (let row = 0; row < rows; row += TILE)
      for (let column = 0; column < columns; column += TILE)
        for (let j = column; j < Math.min(columns, column + TILE); j++) {
          const [place, source] = [written + j * stride, read + j];
          for (let i = row; i < Math.min(rows, row + TILE); i++) out[place + i] = data[source + i * step];
        }
    for (let k = others.length - 1; k >= 0; k--) {
      const axis = others[k];
      read += from[axis];
      written += to[axis];
      if (++index[k] < shape[axis]) break;
      read -= from[axis] * shape[axis];
      written -= to[axis] * shape[axis];
      index[k] = 0;
    }
  }
  return out;
}

/**
 * A module's parameters as the tensors of a PyTorch `state_dict`: what `loadTorchTensors` takes, to the bit.
 * @param nameOf PyTorch's name of the parameter at a path; the path itself by default
 * @returns float32 values by PyTorch's names, in PyTorch's layout
 */
export async function toTorchTensors(
  module: object,
  nameOf = (path: string) => path,
): Promise<Map<string, TensorValues>> {
  const tensors = new Map<string, TensorValues>();
  const axes = torchAxes(module);
  for (const [path, variable] of namedParameters(module)) {
    const order = axes.get(path)!;
    const data = transposed(await variable.data<'float32'>(), variable.shape, order);
    tensors.set(nameOf(path), { shape: order.map((axis) => variable.shape[axis]), data });
  }
  return tensors;
}
