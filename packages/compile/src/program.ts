import type * as tf from '@tensorflow/tfjs-core';
import type * as ort from 'onnxruntime-node';
import type { Target } from './graph';
import { Graph, sizeOf } from './graph';
import type { Port } from './onnx';
import { add } from './ops';
import { partition } from './partition';
import type { ParameterSpec, ProgramSpec } from './protocol';
import type { Tensors } from './session';
import { dataOf, modelInto, newTensor, openSession, ortTensor, runInto, tensorsOf } from './session';
import type { InputSpec } from './trace';
import type { LossTrace } from './trace-loss';

/** A training step for micro-batches of one size, opened. */
export interface Program {
  readonly spec: ProgramSpec;
  readonly microBatch: number;
  /** The sums of all groups so far, and those of another. */
  readonly sums: { readonly total: Float32Array; readonly more: Float32Array };
  /** total + more: twice as fast as a loop. */
  readonly add: ort.InferenceSession;
  /** Arranges the total, where that is needed: always the same tensors. */
  readonly finish?: { readonly session: ort.InferenceSession; readonly feeds: Tensors; readonly fetches: Tensors };
  /** Of the parameters that the loss depends on: parts of the total, or what finish computes. */
  readonly gradients: ReadonlyMap<string, Float32Array>;
}

/** Where each parameter lies when all are laid one after the other, and after them the scale of the loss. */
export function parameterLayout(parameters: ReadonlyMap<string, tf.Variable>): ParameterSpec[] {
  let offset = 0;
  const specs = [...parameters].map(([name, { shape, size }]) => {
    const spec = { name: `parameter:${name}`, shape: [...shape], offset, size };
    offset += size;
    return spec;
  });
  return [...specs, { name: 'scale', shape: [], offset, size: 1 }];
}

/** Writes the graphs of one micro-batch size, and opens what runs once for a batch; prep and main are for an executor to open. */
export async function openProgram(
  n: number,
  { traced, loss, gradients: unsummed, names }: LossTrace,
  inputs: readonly InputSpec[],
  layout: readonly ParameterSpec[],
): Promise<Program> {
  const { target } = traced.graph;
  const batch = inputs.map(({ name }, i) => ({ name, value: traced.inputs[i] }));
  const ports = layout.map(({ name }, i) => ({ name, value: traced.inputs[inputs.length + i] }));
  const { prep, main, fixed, finish, sums, parts, gradients } = partition(traced, batch, ports, loss, unsummed);
  const namesOf = (list: readonly { name: string }[]) => list.map(({ name }) => name);
  const spec: ProgramSpec = {
    id: n,
    prep:
      prep.outputs.length > 0
        ? {
            model: modelInto(prep.inputs, prep.outputs),
            inputs: namesOf(prep.inputs),
            outputs: prep.outputs.map(({ name, value: { shape, dtype } }) => ({ name, shape, dtype })),
          }
        : undefined,
    main: modelInto(main.inputs, main.outputs),
    batch: inputs,
    fixed: fixed.map(({ name, source, value: { shape } }) => ({ name, source, shape })),
    sums,
    perExample: loss.shape.length === 1,
  };
  const size = spec.sums.reduce((sum, shape) => sum + sizeOf(shape), 0);
  const [total, more] = [new Float32Array(size), new Float32Array(size)];
  const tensors: Record<string, ort.Tensor> = {};
  const shapes = parts.map(({ shape }) => shape);
  for (const [i, tensor] of tensorsOf(total, shapes).entries()) tensors[parts[i].name] = tensor;
  for (const { name, value } of finish.outputs) tensors[name] = newTensor(value.shape, value.dtype);
  const pick = (ports: readonly Port[]): Tensors => Object.fromEntries(ports.map(({ name }) => [name, tensors[name]]));
  const open = (model: Uint8Array) => openSession(model, { threads: 1, optimization: 'disabled' });
  return {
    spec,
    microBatch: n,
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
export async function addSums({ sums: { total, more }, add: session }: Program, sums: Float32Array, first: boolean): Promise<void> {
  if (first) return total.set(sums);
  more.set(sums);
  const [a, b] = [total, more].map((data) => ortTensor(data, [data.length], 'float32'));
  await runInto(session, { a, b }, { total: a });
}

/** Arranges the total of the sums as gradients, and adds them to those there already are. */
export async function finishGradients({ finish, gradients }: Program, into: Map<string, Float32Array>): Promise<void> {
  if (finish) await runInto(finish.session, finish.feeds, finish.fetches);
  for (const [name, part] of gradients) {
    const before = into.get(name);
    if (before) for (let k = 0; k < part.length; k++) before[k] += part[k];
    else into.set(name, part);
  }
}

export async function closeProgram({ finish, add }: Program): Promise<void> {
  await Promise.all([finish?.session.release(), add.release()]);
}
