import * as tf from '@tensorflow/tfjs-core';
import { availableParallelism } from 'node:os';
import type { DType, Shape, Target } from './graph';
import { sizeOf } from './graph';
import { shapeText, writeModel } from './onnx';
import { checkCount, guessedMicroBatch, microBatchFor, workerCount } from './options';
import { Pool } from './pool';
import type { TensorData } from './session';
import { asData, dataOf, newData, openSession, ortTensor } from './session';
import { fastTarget, portable } from './self-test';
import type { InputSpec, Trace } from './trace';
import { specOf, trace } from './trace';
import { largestResult } from './trace-loss';

/** What a function to be compiled may return. */
export type TensorResult = tf.Tensor | tf.Tensor[] | Record<string, tf.Tensor>;

/** How a compiled function runs. */
export interface CompileOptions {
  /** Threads that one operator may use; by default one for each processor. Not together with `microBatch`. */
  threads?: number;
  /**
   * For a function of examples that do not depend on each other, which lie along the first axis of every input and result: so many go through
   * the graph at a time, on worker threads, which is faster than one graph on several threads. What comes out for an example depends neither on
   * the others nor on their number, to the bit. 'auto' takes as many as keep the largest intermediate result within a processor's own cache.
   */
  microBatch?: 'auto' | number;
  /** With `microBatch`: threads that share the micro-batches. 'auto' is one for each processor. The results do not depend on it. */
  workers?: 'auto' | number;
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
  /** Frees the graphs, and ends the workers. */
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

type TensorFunction = (...inputs: tf.Tensor[]) => TensorResult;

/** A function's graph for inputs of some shapes, ready to run. */
interface Program {
  readonly structure: Structure;
  run(inputs: readonly TensorData[], n: number): Promise<{ data: TensorData; shape: Shape; dtype: DType }[]>;
  release(): Promise<void>;
}

function traceFunction(fn: TensorFunction, specs: readonly InputSpec[], target: Target): { traced: Trace; structure: Structure } {
  let structure: Structure | undefined;
  const traced = trace(
    (standIns) => {
      const result = flatten(fn(...standIns));
      structure = result.structure;
      return result.tensors;
    },
    specs,
    target,
  );
  return { traced, structure: structure! };
}

const modelOf = ({ inputs, outputs }: Trace): Uint8Array =>
  writeModel(
    inputs.map((value, i) => ({ name: `input${i}`, value })),
    outputs.map((value, i) => ({ name: `output${i}`, value })),
  );

/** One graph for the whole inputs. */
async function openWhole(fn: TensorFunction, specs: readonly InputSpec[], target: Target, threads: number): Promise<Program> {
  const { traced, structure } = traceFunction(fn, specs, target);
  const session = await openSession(modelOf(traced), { threads, optimization: 'all' });
  return {
    structure,
    async run(inputs) {
      const feeds = Object.fromEntries(specs.map(({ shape, dtype }, i) => [`input${i}`, ortTensor(inputs[i], shape, dtype)]));
      const results = await session.run(feeds);
      return traced.outputs.map(({ shape, dtype }, i) => ({ data: dataOf(results[`output${i}`]), shape, dtype }));
    },
    release: () => session.release(),
  };
}

/** A graph for micro-batches, on every worker. */
async function openShared(
  fn: TensorFunction,
  specs: readonly InputSpec[],
  target: Target,
  microBatch: 'auto' | number,
  pool: Pool,
  graph: number,
): Promise<Program> {
  const traceFor = (n: number) =>
    traceFunction(
      fn,
      specs.map(({ name, dtype, shape }) => ({ name, dtype, shape: [n, ...shape.slice(1)] })),
      target,
    );
  let size = microBatch === 'auto' ? guessedMicroBatch : microBatch;
  let { traced, structure } = traceFor(size);
  if (microBatch === 'auto') {
    const chosen = microBatchFor(largestResult(traced, specs.length) / guessedMicroBatch);
    if (chosen !== size) ({ traced, structure } = traceFor((size = chosen)));
  }
  for (const [i, { shape }] of traced.outputs.entries()) {
    if (shape[0] !== size)
      throw new RangeError(
        `compile: with microBatch, the first axis of every result must be the batch, and result ${i} is ${shapeText(shape)} for ${size} examples`,
      );
  }
  const outputs = traced.outputs.map(({ shape, dtype }) => ({ shape, dtype, each: sizeOf(shape) / size }));
  await pool.broadcast({ kind: 'load', graph, model: modelOf(traced) });
  const inputs = traced.inputs.map(({ shape, dtype }) => ({ shape, dtype, each: sizeOf(shape) / size }));
  return {
    structure,
    async run(data, n) {
      const results = outputs.map(({ dtype, each }) => newData(n * each, dtype));
      const runFrom = async (start: number) => {
        const end = Math.min(n, start + size);
        const parts = await pool.run(() => ({
          kind: 'run',
          graph,
          // The last micro-batch is filled up with zeros.
          inputs: inputs.map(({ shape, dtype, each }, i) => {
            const part = newData(size * each, dtype);
            part.set(data[i].subarray(start * each, end * each));
            return { data: part, shape, dtype };
          }),
          outputs,
        }));
        for (const [i, { each }] of outputs.entries()) results[i].set(parts[i].subarray(0, (end - start) * each), start * each);
      };
      await Promise.all(Array.from({ length: Math.ceil(n / size) }, (_, i) => runFrom(i * size)));
      return outputs.map(({ shape, dtype }, i) => ({ data: results[i], shape: [n, ...shape.slice(1)], dtype }));
    },
    release: () => Promise.resolve(),
  };
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
  { threads, microBatch, workers, path = 'fast' }: CompileOptions = {},
): Promise<CompiledFunction<F>> {
  checkCount('compile', 'microBatch', microBatch);
  checkCount('compile', 'workers', workers);
  if (microBatch === undefined && workers !== undefined) throw new TypeError('compile: workers share micro-batches; give microBatch too');
  if (microBatch !== undefined && threads !== undefined)
    throw new TypeError('compile: with microBatch, every worker has one thread; give workers instead of threads');
  if (microBatch !== undefined && (examples.length === 0 || examples.some(({ rank }) => rank === 0)))
    throw new RangeError('compile: with microBatch, expected at least one example input, and a batch as the first axis of each');
  await tf.ready();
  const target = { ...(path === 'fast' ? await fastTarget() : portable), inference: true };
  const body = fn as unknown as TensorFunction;
  const programs = new Map<string, Promise<Program>>();
  let pool: Pool | undefined;
  let graphs = 0;
  let disposed = false;

  const open = (inputs: readonly tf.Tensor[]): Promise<Program> => {
    const specs = inputs.map((tensor, i) => specOf(tensor, `input${i}`));
    if (microBatch === undefined) return openWhole(body, specs, target, threads ?? availableParallelism());
    pool ??= new Pool('compile', workerCount(workers), { parameters: [], shared: new SharedArrayBuffer(0) });
    return openShared(body, specs, target, microBatch, pool, graphs++);
  };
  const programFor = (inputs: readonly tf.Tensor[]): Promise<Program> => {
    const key = inputs.map(({ shape }) => (microBatch === undefined ? shape : shape.slice(1)).join()).join('|');
    let program = programs.get(key);
    if (!program) {
      // Nothing that tracing throws is thrown before there is a promise of it.
      program = Promise.resolve().then(() => open(inputs));
      programs.set(key, program);
      // A failure is reported to whoever asked, and tried anew the next time.
      program.catch(() => programs.delete(key));
    }
    return program;
  };

  const run = async (...inputs: tf.Tensor[]): Promise<TensorResult> => {
    if (disposed) throw new Error('compile: this compiled function has been disposed');
    checkInputs(examples, inputs, microBatch !== undefined);
    const data = (await Promise.all(inputs.map((input) => input.data()))).map((values, i) => asData(values, inputs[i].dtype as DType));
    const program = await programFor(inputs);
    const results = await program.run(data, inputs[0]?.shape[0] ?? 1);
    const tensors = results.map(({ data: values, shape, dtype }) => tf.tensor(values, [...shape], dtype as tf.DataType));
    return unflatten(program.structure, tensors);
  };
  const dispose = async () => {
    disposed = true;
    const opened = await Promise.allSettled(programs.values());
    programs.clear();
    for (const result of opened) if (result.status === 'fulfilled') await result.value.release();
    await pool?.close();
  };

  try {
    if (examples.length > 0 && examples.every(({ shape }) => sizeOf(shape) > 0)) await programFor(examples);
  } catch (error) {
    await dispose();
    throw error;
  }
  return Object.assign(run as unknown as CompiledFunction<F>, { dispose });
}

function checkInputs(examples: readonly tf.Tensor[], inputs: readonly tf.Tensor[], batched: boolean): void {
  if (inputs.length !== examples.length)
    throw new TypeError(`compile: the function was compiled for ${examples.length} inputs, got ${inputs.length}`);
  for (const [i, { rank, dtype, shape }] of inputs.entries()) {
    const example = examples[i];
    if (rank !== example.rank || dtype !== example.dtype) {
      throw new TypeError(
        `compile: input ${i} was ${example.dtype} ${shapeText(example.shape)} when compiled, and is ${dtype} ${shapeText(shape)}; sizes may change, rank and type may not`,
      );
    }
    if (batched && shape[0] !== inputs[0].shape[0]) {
      throw new RangeError(
        `compile: with microBatch, the first axis of every input is the batch; input 0 has ${inputs[0].shape[0]} examples, input ${i} ${shape[0]}`,
      );
    }
  }
}
