import type { TensorValues } from './parameters';
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
 * @param tensors float32 values by PyTorch's names, in PyTorch's layout
 * @param nameOf PyTorch's name of the parameter at a path; the path itself by default
 * @throws Error that names tensors that are missing, unexpected, or not of their parameter's shape.
 */
export function loadTorchTensors(
  module: object,
  tensors: ReadonlyMap<string, TensorValues>,
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
    assign(variable, transposed(tensors.get(name)!.data, shape, inverse));
  }
}

/** Values of the given shape with their axes in another order, as `tf.transpose` does it; for millions of weights that is slow. */
function transposed(data: Float32Array, shape: readonly number[], order: readonly number[]): Float32Array {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
  const [sizes, steps] = [order.map((axis) => shape[axis]), order.map((axis) => strides[axis])];
  const out = new Float32Array(data.length);
  if (order.every((axis, i) => axis === i)) {
    out.set(data);
    return out;
  }
  const last = sizes.length - 1;
  const [length, step] = [sizes[last], steps[last]];
  const index = sizes.map(() => 0);
  let from = 0;
  for (let to = 0; to < out.length; to += length) {
    for (let i = 0; i < length; i++) out[to + i] = data[from + i * step];
    for (let axis = last - 1; axis >= 0; axis--) {
      from += steps[axis];
      if (++index[axis] < sizes[axis]) break;
      from -= steps[axis] * sizes[axis];
      index[axis] = 0;
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
