import type * as tf from '@tensorflow/tfjs-core';
import type * as ort from 'onnxruntime-node';
import { sizeOf } from './graph';
import { writeModel } from './onnx';
import { partition } from './partition';
import type { Pool } from './pool';
import type { ParameterSpec, ProgramSpec } from './protocol';
import { openSession, ortTensor } from './session';
import type { InputSpec } from './trace';
import type { LossTrace } from './trace-loss';

/** A training step for micro-batches of one size, opened. */
export interface Program {
  readonly spec: ProgramSpec;
  readonly microBatch: number;
  readonly finish: ort.InferenceSession;
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

/** Opens the graphs of one micro-batch size: two in every worker, and the last one here. */
export async function openProgram(
  n: number,
  { traced, loss, gradients, names }: LossTrace,
  inputs: readonly InputSpec[],
  layout: readonly ParameterSpec[],
  pool: Pool,
): Promise<Program> {
  const batch = inputs.map(({ name }, i) => ({ name, value: traced.inputs[i] }));
  const ports = layout.map(({ name }, i) => ({ name, value: traced.inputs[inputs.length + i] }));
  const { prep, main, finish, sums } = partition(traced, batch, ports, loss, gradients);
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
    direct: namesOf(main.inputs).filter((name) => name.startsWith('parameter:')),
    sums: sums.map(({ shape }) => shape),
    perExample: loss.shape.length === 1,
  };
  const [session] = await Promise.all([
    openSession(writeModel(finish.inputs, finish.outputs), { threads: 1, optimization: 'disabled' }),
    pool.broadcast({ kind: 'open', program: spec }),
  ]);
  return { spec, microBatch: n, finish: session, names };
}

/** Arranges sums as gradients and adds them to those there already are. */
export async function finish(
  { spec, finish: session, names }: Program,
  sums: Float32Array,
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
  const results = await session.run(feeds);
  for (const [i, name] of names.entries()) {
    const part = results[`gradient${i}`].data as Float32Array;
    const before = gradients.get(name);
    if (before) for (let k = 0; k < part.length; k++) before[k] += part[k];
    else gradients.set(name, part);
  }
}
