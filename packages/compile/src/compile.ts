import * as tf from '@tensorflow/tfjs-core';
import { availableParallelism } from 'node:os';
import type * as ort from 'onnxruntime-node';
import type { DType, Shape, Target } from './graph';
import { sizeOf } from './graph';
import { shapeText, writeModel } from './onnx';
import { openSession, ortTensor } from './session';
import { fastTarget, portable } from './self-test';
import { specOf, trace } from './trace';

/** What a function to be compiled may return. */
export type TensorResult = tf.Tensor | tf.Tensor[] | Record<string, tf.Tensor>;

/** How a compiled function runs. */
export interface CompileOptions {
  /** Threads that one operator may use; by default one for each processor. */
  threads?: number;
  /** Whether ORT's blocked convolutions may be used where this machine has them. */
  path?: 'fast' | 'portable';
}

/**
 * A function as ONNX Runtime runs it: asynchronous, with the same inputs and results.
 * @typeParam F the function that was compiled
 */
export interface CompiledFunction<F extends (...inputs: never[]) => TensorResult> {
  /** Runs the graph of these shapes, tracing the function first where it has not run on them before. */
  (...inputs: Parameters<F>): Promise<ReturnType<F>>;
  /** Frees the graphs. */
  dispose(): Promise<void>;
}

/** How to put a function's results together again. */
type Structure = { kind: 'tensor' } | { kind: 'list' } | { kind: 'record'; keys: string[] };

export function flatten(result: TensorResult): { structure: Structure; tensors: tf.Tensor[] } {
  if (result instanceof tf.Tensor) return { structure: { kind: 'tensor' }, tensors: [result] };
  if (Array.isArray(result)) return { structure: { kind: 'list' }, tensors: result };
  if (typeof result !== 'object' || result === null || result instanceof Promise) {
    throw new TypeError('compile: the function must return a tensor, a list of tensors or a record of tensors, and not a promise');
  }
  return { structure: { kind: 'record', keys: Object.keys(result) }, tensors: Object.values(result) };
}

function unflatten(structure: Structure, tensors: tf.Tensor[]): TensorResult {
  if (structure.kind === 'tensor') return tensors[0];
  if (structure.kind === 'list') return tensors;
  return Object.fromEntries(structure.keys.map((key, i) => [key, tensors[i]]));
}

interface Program {
  readonly session: ort.InferenceSession;
  readonly structure: Structure;
  readonly outputs: readonly { shape: Shape; dtype: DType }[];
}

async function build(
  fn: (...inputs: tf.Tensor[]) => TensorResult,
  inputs: readonly tf.Tensor[],
  target: Target,
  threads: number,
): Promise<Program> {
  let structure: Structure | undefined;
  const specs = inputs.map((tensor, i) => specOf(tensor, `input${i}`));
  const traced = trace(
    (standIns) => {
      const result = flatten(fn(...standIns));
      structure = result.structure;
      return result.tensors;
    },
    specs,
    target,
  );
  const model = writeModel(
    traced.inputs.map((value, i) => ({ name: `input${i}`, value })),
    traced.outputs.map((value, i) => ({ name: `output${i}`, value })),
  );
  const session = await openSession(model, { threads, optimization: 'all' });
  return { session, structure: structure!, outputs: traced.outputs.map(({ shape, dtype }) => ({ shape, dtype })) };
}

/**
 * Traces a function of tensors once for each shape of its inputs, and runs the graphs on ONNX Runtime. Variables and tensors that it
 * captures become constants, with the values they have when it is traced.
 * @typeParam F the function's type, which is kept but for the promise
 * @param fn returns a tensor, a list of tensors or a record of tensors; reads no tensor's values and draws no random numbers
 * @param examples tensors of the shapes to be ready for; their values do not matter
 * @returns a function of tensors that resolves to tensors of the caller's backend, which the caller owns
 * @throws Error if the function uses a kernel that cannot be compiled (its message names it), reads a traced value, or draws random numbers
 */
export async function compile<F extends (...inputs: never[]) => TensorResult>(
  fn: F,
  examples: readonly tf.Tensor[],
  { threads = availableParallelism(), path = 'fast' }: CompileOptions = {},
): Promise<CompiledFunction<F>> {
  await tf.ready();
  const target = { ...(path === 'fast' ? await fastTarget() : portable), inference: true };
  const body = fn as unknown as (...inputs: tf.Tensor[]) => TensorResult;
  const programs = new Map<string, Promise<Program>>();
  let disposed = false;

  const programFor = (inputs: readonly tf.Tensor[]): Promise<Program> => {
    const key = inputs.map(({ shape }) => shape.join()).join('|');
    let program = programs.get(key);
    if (!program) {
      program = build(body, inputs, target, threads);
      programs.set(key, program);
      // A failure is reported to whoever asked, and tried anew the next time.
      program.catch(() => programs.delete(key));
    }
    return program;
  };

  const run = async (...inputs: tf.Tensor[]): Promise<TensorResult> => {
    if (disposed) throw new Error('compile: this compiled function has been disposed');
    if (inputs.length !== examples.length)
      throw new TypeError(`compile: the function was compiled for ${examples.length} inputs, got ${inputs.length}`);
    for (const [i, { rank, dtype, shape }] of inputs.entries()) {
      const example = examples[i];
      if (rank !== example.rank || dtype !== example.dtype) {
        throw new TypeError(
          `compile: input ${i} was ${example.dtype} ${shapeText(example.shape)} when compiled, and is ${dtype} ${shapeText(shape)}; sizes may change, rank and type may not`,
        );
      }
    }
    const data = await Promise.all(inputs.map((input) => input.data()));
    const { session, structure, outputs } = await programFor(inputs);
    const feeds = Object.fromEntries(inputs.map(({ shape, dtype }, i) => [`input${i}`, ortTensor(data[i], shape, dtype as DType)]));
    const results = await session.run(feeds);
    const tensors = outputs.map(({ shape, dtype }, i) =>
      tf.tensor(results[`output${i}`].data as Float32Array, [...shape], dtype as tf.DataType),
    );
    return unflatten(structure, tensors);
  };
  const dispose = async () => {
    disposed = true;
    const opened = await Promise.allSettled(programs.values());
    programs.clear();
    for (const result of opened) if (result.status === 'fulfilled') await result.value.session.release();
  };

  if (examples.length > 0 && examples.every(({ shape }) => sizeOf(shape) > 0)) await programFor(examples);
  return Object.assign(run as unknown as CompiledFunction<F>, { dispose });
}
