import type * as tf from '@tensorflow/tfjs-core';
import type * as ort from 'onnxruntime-node';
import type { Target } from './graph';
import { Graph, sizeOf } from './graph';
import { writeModel } from './onnx';
import { add } from './ops';
import { partition } from './partition';
import type { ParameterSpec, ProgramSpec } from './protocol';
import { newTensor, openSession, ortTensor } from './session';
import type { InputSpec } from './trace';
import type { LossTrace } from './trace-loss';

/** A training step for micro-batches of one size, opened. */
export interface Program {
  readonly spec: ProgramSpec;
  readonly microBatch: number;
  readonly finish: ort.InferenceSession;
  /** What finish computes, in the order of `names`: always the same tensors. */
  readonly arranged: readonly ort.Tensor[];
  /** Adds the sums of two groups: several times as fast as a loop. */
  readonly add: ort.InferenceSession;
  /** The parameters that the loss depends on, in the order of finish's outputs. */
  readonly names: readonly string[];
}

/** Where each parameter lies when all are laid one after the other. */
export function parameterLayout(parameters: ReadonlyMap<string, tf.Variable>): ParameterSpec[] {
  let offset = 0;
  return [...parameters].map(([name, { shape, size }]) => {
    const spec = { name: `parameter:${name}`, shape: [...shape], offset, size };
    offset += size;
    return spec;
  });
}

/** Writes the graphs of one micro-batch size, and opens what runs once for a batch; prep and main are for an executor to open. */
export async function openProgram(
  n: number,
  { traced, loss, gradients, names }: LossTrace,
  inputs: readonly InputSpec[],
  layout: readonly ParameterSpec[],
): Promise<Program> {
  const { target } = traced.graph;
  const batch = inputs.map(({ name }, i) => ({ name, value: traced.inputs[i] }));
  const ports = layout.map(({ name }, i) => ({ name, value: traced.inputs[inputs.length + i] }));
  const { prep, main, fixed, finish, sums } = partition(traced, batch, ports, loss, gradients);
  const namesOf = (list: readonly { name: string }[]) => list.map(({ name }) => name);
  const spec: ProgramSpec = {
    id: n,
    prep:
      prep.outputs.length > 0
        ? {
            model: writeModel(prep.inputs, prep.outputs),
            inputs: namesOf(prep.inputs),
            outputs: prep.outputs.map(({ name, value: { shape, dtype } }) => ({ name, shape, dtype })),
          }
        : undefined,
    main: writeModel(main.inputs, main.outputs),
    batch: inputs,
    fixed: fixed.map(({ name, source, value: { shape } }) => ({ name, source, shape })),
    sums: sums.map(({ shape }) => shape),
    perExample: loss.shape.length === 1,
  };
  const open = (model: Uint8Array) => openSession(model, { threads: 1, optimization: 'disabled' });
  const [arranging, adding] = await Promise.all([
    open(writeModel(finish.inputs, finish.outputs)),
    open(
      addition(
        spec.sums.reduce((total, shape) => total + sizeOf(shape), 0),
        target,
      ),
    ),
  ]);
  const arranged = finish.outputs.map(({ value: { shape, dtype } }) => newTensor(shape, dtype));
  return { spec, microBatch: n, finish: arranging, arranged, add: adding, names };
}

/** The graph a + b of vectors. */
function addition(size: number, target: Target): Uint8Array {
  const graph = new Graph(target);
  const [a, b] = ['a', 'b'].map((name) => ({ name, value: graph.input(name, [size], 'float32') }));
  return writeModel([a, b], [{ name: 'total', value: add(a.value, b.value) }]);
}

/** Adds `more` to `sums`. */
export async function addSums({ add: session }: Program, sums: Float32Array, more: Float32Array): Promise<void> {
  const total = ortTensor(sums, [sums.length], 'float32');
  await session.run({ a: total, b: ortTensor(more, [more.length], 'float32') }, { total });
}

/** Arranges sums as gradients, times the scale, and adds them to those there already are. */
export async function finish(
  { spec, finish: session, arranged, names }: Program,
  sums: Float32Array,
  scale: number,
  gradients: Map<string, Float32Array>,
): Promise<void> {
  let offset = 0;
  const feeds = Object.fromEntries(
    spec.sums.map((shape, i) => {
      const size = sizeOf(shape);
      offset += size;
      return [`sum${i}`, ortTensor(sums.subarray(offset - size, offset), shape, 'float32')];
    }),
  );
  const fetches = Object.fromEntries(arranged.map((tensor, i) => [`gradient${i}`, tensor]));
  await session.run({ ...feeds, scale: ortTensor(Float32Array.of(scale), [], 'float32') }, fetches);
  for (const [i, name] of names.entries()) {
    const part = arranged[i].data as Float32Array;
    const before = gradients.get(name);
    if (before) for (let k = 0; k < part.length; k++) before[k] += part[k];
    else gradients.set(name, part);
  }
}
