import type { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Shape, TensorSpec } from '../graph';
import { Graph } from '../graph';
import { node } from '../ops';
import type { Port } from '../onnx';
import { writeModel } from '../onnx';
import { portable } from '../self-test';
import { openSession, ort } from './ort';

/*
 * Sessions on WebGPU whose results may stay on the device, for others to read. ONNX Runtime binds each result to fresh
 * memory there, which is free again when its tensor is disposed of.
 */

/** Where a session's results are to be, by name. */
export type Locations = Readonly<Record<string, 'cpu' | 'gpu-buffer'>>;

/** Opens a model without the marker of `runInto`. */
export const openBound = (
  model: Uint8Array,
  locations: Locations,
  optimization: 'disabled' | 'all' = 'disabled',
): Promise<InferenceSession> => openSession(model, { threads: 1, device: 'webgpu', optimization, locations });

/** The same, of a graph's values, with all results in one place. */
export const openGraph = (
  inputs: readonly Port[],
  outputs: readonly Port[],
  location: Locations[string],
): Promise<InferenceSession> =>
  openBound(writeModel(inputs, outputs), Object.fromEntries(outputs.map(({ name }) => [name, location])));

/** Copies tensors to the device, or from it. */
export interface Copying {
  (tensors: readonly Tensor[]): Promise<Tensor[]>;
  release(): Promise<void>;
}

/** A copier of tensors like these, in one run. */
export async function openCopying(
  specs: readonly Pick<TensorSpec, 'shape' | 'dtype'>[],
  to: Locations[string],
): Promise<Copying> {
  const graph = new Graph(portable);
  const inputs = specs.map(({ shape, dtype }, i) => {
    const name = `from${i}`;
    return { name, value: graph.input(name, shape, dtype) };
  });
  const outputs = inputs.map(({ value }, i) => ({
    name: `to${i}`,
    value: node('Identity', [value], value.shape, value.dtype),
  }));
  const session = await openGraph(inputs, outputs, to);
  const copy = async (tensors: readonly Tensor[]) => {
    const results = await session.run(Object.fromEntries(tensors.map((tensor, i) => [`from${i}`, tensor])));
    return outputs.map(({ name }) => results[name]);
  };
  return Object.assign(copy, { release: () => session.release() });
}

/** Frees memory of the device. */
export function disposeAll(tensors: Iterable<Tensor>): void {
  for (const tensor of tensors) tensor.dispose();
}

/** The same memory in another shape; it stays the tensor's. */
export const inShape = ({ gpuBuffer, type }: Tensor, shape: Shape): Tensor =>
  ort.Tensor.fromGpuBuffer(gpuBuffer, { dataType: type as 'float32', dims: shape });
