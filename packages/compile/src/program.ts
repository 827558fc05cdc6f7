import type * as ort from 'onnxruntime-node';
import type { Target } from './graph';
import { Graph, sizeOf } from './graph';
import type { Port } from './onnx';
import { add } from './ops';
import type { Split } from './partition';
import { partition } from './partition';
import type { ProgramSpec, TensorSpec } from './protocol';
import type { Tensors } from './session';
import { dataOf, modelInto, newTensor, openSession, ortTensor, runInto, tensorsOf } from './session';
import type { InputSpec } from './trace';
import type { LossTrace } from './trace-loss';
import type { WeightSpec } from './weights';

/** A training step for micro-batches of one size: what runs for each, and what runs once for a batch, opened. */
export interface GradientProgram {
  readonly spec: ProgramSpec;
  readonly microBatch: number;
  /** The names of the columns of the losses; none where there is only their mean. */
  readonly columns: readonly string[];
  /** The sums of all groups so far, and those of another. */
  readonly sums: { readonly total: Float32Array; readonly more: Float32Array };
  /** total + more: twice as fast as a loop. */
  readonly add: ort.InferenceSession;
  /** Arranges the total, where that is needed: always the same tensors. */
  readonly finish?: { readonly session: ort.InferenceSession; readonly feeds: Tensors; readonly fetches: Tensors };
  /** Of the parameters that the loss depends on: parts of the total, or what finish computes. */
  readonly gradients: ReadonlyMap<string, Float32Array>;
}

export const specsOf = (ports: readonly Port[]): TensorSpec[] =>
  ports.map(({ name, value: { shape, dtype } }) => ({ name, shape: [...shape], dtype }));

/** The graphs as models, and how they fit together. */
export const modelsOf = ({ prep, main, fixed }: Split): Pick<ProgramSpec, 'prep' | 'main' | 'fixed'> => ({
  prep:
    prep.outputs.length > 0
      ? { model: modelInto(prep.inputs, prep.outputs), inputs: prep.inputs.map(({ name }) => name), outputs: specsOf(prep.outputs) }
      : undefined,
  main: modelInto(main.inputs, main.outputs),
  fixed: fixed.map(({ name, source, value: { shape } }) => ({ name, source, shape: [...shape] })),
});

/**
 * Writes the graphs of one micro-batch size, and opens what runs once for a batch; prep and main are for an executor to open.
 * @param weights in the order of the trace's inputs behind those of the batch
 */
export async function openProgram(
  id: number,
  { traced, losses, columns, gradients: unsummed, names }: LossTrace,
  inputs: readonly InputSpec[],
  weights: readonly WeightSpec[],
): Promise<GradientProgram> {
  const { target } = traced.graph;
  const batch = inputs.map(({ name }, i) => ({ name, value: traced.inputs[i] }));
  const ports = weights.map(({ name }, i) => ({ name, value: traced.inputs[inputs.length + i] }));
  const divided = partition(traced, batch, ports, losses, unsummed);
  const { finish, parts, gradients } = divided;
  const spec: ProgramSpec = {
    id,
    ...modelsOf(divided),
    optimization: 'disabled',
    batch: inputs,
    results: specsOf([{ name: 'losses', value: losses }]),
    sums: divided.sums,
  };
  const size = spec.sums.reduce((sum, shape) => sum + sizeOf(shape), 0);
  const [total, more] = [new Float32Array(size), new Float32Array(size)];
  const tensors: Record<string, ort.Tensor> = {};
  const shapes = parts.map(({ shape }) => shape);
  for (const [i, tensor] of tensorsOf(total, shapes).entries()) tensors[parts[i].name] = tensor;
  for (const { name, value } of finish.outputs) tensors[name] = newTensor(value.shape, value.dtype);
  const pick = (list: readonly Port[]): Tensors => Object.fromEntries(list.map(({ name }) => [name, tensors[name]]));
  const open = (model: Uint8Array) => openSession(model, { threads: 1, optimization: 'disabled' });
  return {
    spec,
    microBatch: inputs[0].shape[0],
    columns,
    sums: { total, more },
    add: await open(addition(size, target)),
    finish:
      finish.outputs.length > 0
        ? { session: await open(modelInto(finish.inputs, finish.outputs)), feeds: pick(finish.inputs), fetches: pick(finish.outputs) }
        : undefined,
    gradients: new Map(names.map((name, i) => [name, dataOf(tensors[gradients[i]]) as Float32Array])),
  };
}

/** The graph a + b of vectors. */
function addition(size: number, target: Target): Uint8Array {
  const graph = new Graph(target);
  const [a, b] = ['a', 'b'].map((name) => ({ name, value: graph.input(name, [size], 'float32') }));
  return modelInto([a, b], [{ name: 'total', value: add(a.value, b.value) }]);
}

/** Adds the sums of a group to those of the groups before it. */
export async function addSums({ sums: { total, more }, add: session }: GradientProgram, sums: Float32Array, first: boolean): Promise<void> {
  if (first) return total.set(sums);
  more.set(sums);
  const [a, b] = [total, more].map((data) => ortTensor(data, [data.length], 'float32'));
  await runInto(session, { a, b }, { total: a });
}

/** Arranges the total of the sums as gradients, and adds them to those there already are. */
export async function finishGradients({ finish, gradients }: GradientProgram, into: Map<string, Float32Array>): Promise<void> {
  if (finish) await runInto(finish.session, finish.feeds, finish.fetches);
  for (const [name, part] of gradients) {
    const before = into.get(name);
    if (before) for (let k = 0; k < part.length; k++) before[k] += part[k];
    else into.set(name, part);
  }
}

export async function closeProgram({ finish, add }: GradientProgram): Promise<void> {
  await Promise.all([finish?.session.release(), add.release()]);
}
