import * as tf from '@tensorflow/tfjs-core';
import type { Runner } from './run/device';
import { deviceMicroBatch, onDevice } from './run/device';
import type { Device } from './run/ort';
import type { Executor } from './run/executor';
import { startExecutor } from './run/threads';
import type { DType, Target, TensorSpec } from './graph';
import { sizeOf } from './graph';
import { Memo } from './run/memo';
import { shapeText, writeModel } from './onnx';
import { guessedMicroBatch, microBatchFor, resultBytes } from './plan/micro-batch';
import { split } from './plan/partition';
import { Pool } from './run/pool';
import type { ProgramSpec } from './plan/program';
import { modelInto, modelsOf, specsOf } from './plan/program';
import { checkCount, threadCount } from './run/options';
import type { Structure, TensorResult } from './tensor-result';
import { flatten, unflatten } from './tensor-result';
import type { TensorData } from './run/data';
import { asData, newData } from './run/data';
import { fastTarget, portable, portableOnDevice } from './self-test';
import type { Trace } from './trace';
import { specOf, trace } from './trace';
import { largeProgram, LargeExecutor, MANY_BYTES } from './run/large';
import type { WeightSpec } from './run/weights';
import { bytesOf, createWeights, WatchedVariables, weightSpecs } from './run/weights';

/** How a compiled function runs. */
export interface CompileOptions {
  /**
   * Variables that the function reads, by name: a call takes the values that they have when it is made, and calls do
   * not overlap. In one graph, weights of more than 256 MB are read one after the other when the call's turn comes, and
   * are not to be assigned until it has resolved. Where they are given, all trainable ones must be among them; whatever else it captures becomes
   * constants.
   */
  parameters?: ReadonlyMap<string, tf.Variable>;
  /**
   * Threads that one operator may use. 'auto', the default, is one for each processor. Not together with `microBatch`.
   */
  threads?: 'auto' | number;
  /**
   * For a function of examples that do not depend on each other, which lie along the first axis of every input and
   * result: so many go through the graph at a time, on worker threads, which is faster than one graph on several
   * threads. What comes out for an example depends neither on the others nor on their number, to the bit. 'auto' takes
   * as many as keep the largest intermediate result within a processor's own cache, but no more than it takes for calls
   * of operators to cost little.
   */
  microBatch?: 'auto' | number;
  /**
   * With `microBatch`: how many threads may share the micro-batches; no more are started than a call has work for.
   * 'auto' is one for each processor. The results do not depend on it.
   */
  workers?: 'auto' | number;
  /** Whether ORT's blocked convolutions may be used where this machine has them. */
  path?: 'fast' | 'portable';
  /**
   * Where it is computed: the processor, or a GPU, through WebGPU or CUDA, on which micro-batches are larger and run
   * one after the other.
   */
  device?: Device;
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

type TensorFunction = (...inputs: tf.Tensor[]) => TensorResult;

/** A function's graph for inputs of some shapes, ready to run. */
interface Program {
  readonly structure: Structure;
  /** Its results, for so many examples. */
  readonly run: (inputs: readonly TensorData[], n: number) => Promise<readonly TensorData[]>;
  readonly results: readonly TensorSpec[];
}

/** A function to be compiled, and what its graphs are made for. */
interface Source {
  readonly fn: TensorFunction;
  readonly parameters: ReadonlyMap<string, tf.Variable>;
  readonly weights: readonly WeightSpec[];
  readonly target: Target;
  /** Whether results are bound to memory of a device. */
  readonly bound: boolean;
}

interface Traced {
  readonly traced: Trace;
  readonly structure: Structure;
}

function traceFunction({ fn, parameters, target }: Source, specs: readonly TensorSpec[]): Traced {
  let structure: Structure | undefined;
  const traced = trace(
    (standIns) => {
      const result = flatten(fn(...standIns));
      structure = result.structure;
      return result.tensors;
    },
    specs,
    target,
    parameters.size > 0 ? { variables: parameters, reader: 'compile: the function' } : undefined,
  );
  return { traced, structure: structure! };
}

const outputsOf = ({ outputs }: Trace) => outputs.map((value, i) => ({ name: `output${i}`, value }));

function divide({ weights }: Source, specs: readonly TensorSpec[], traced: Trace) {
  const ports = [...specs, ...weights].map(({ name }, i) => ({ name, value: traced.inputs[i] }));
  // What depends on constants alone ORT works out when it opens the graph, and lays out as suits it.
  return split(ports.slice(0, specs.length), ports.slice(specs.length), outputsOf(traced), 'main');
}

function writeProgram(source: Source, id: number, specs: readonly TensorSpec[], { traced }: Traced): ProgramSpec {
  const models = modelsOf(divide(source, specs, traced), source.bound ? writeModel : modelInto);
  return { id, ...models, optimization: 'all', batch: specs, results: specsOf(outputsOf(traced)), sums: [] };
}

/** The same, with weights that are many. */
function openLarge(
  source: Source,
  id: number,
  specs: readonly TensorSpec[],
  executor: LargeExecutor,
): Promise<Program> {
  const { traced, structure } = traceFunction(source, specs);
  const program = largeProgram(divide(source, specs, traced), {
    id,
    batch: specs,
    results: specsOf(outputsOf(traced)),
  });
  const { results } = program;
  return Promise.resolve({ structure, results, run: (batch) => executor.run(program, batch) });
}

/** One graph for the whole inputs. */
async function openWhole(
  source: Source,
  id: number,
  specs: readonly TensorSpec[],
  runner: Executor | Runner,
): Promise<Program> {
  const traced = traceFunction(source, specs);
  const { structure } = traced;
  const spec = writeProgram(source, id, specs, traced);
  const { results } = spec;
  await runner.open(spec, 1);
  const request = (batch: readonly TensorData[]) => ({ kind: 'run', program: id, batch, microBatches: 1 }) as const;
  const run = async (batch: readonly TensorData[]) =>
    'size' in runner ? (await runner.run(spec, () => request(batch))).results : runner.run(request(batch));
  return { structure, results, run };
}

/** A function of so many examples as keep its largest result small, or of as many as asked for. */
function traceMicroBatch(
  source: Source,
  specs: readonly TensorSpec[],
  microBatch: 'auto' | number,
  device: Device,
): Traced & { specs: TensorSpec[] } {
  const traceFor = (n: number) => {
    const sized = specs.map(({ name, dtype, shape }) => ({ name, dtype, shape: [n, ...shape.slice(1)] }));
    return { ...traceFunction(source, sized), specs: sized };
  };
  if (microBatch !== 'auto') return traceFor(microBatch);
  const guess = traceFor(guessedMicroBatch);
  const bytes = resultBytes(guess.traced, specs.length);
  const chosen = device === 'cpu' ? microBatchFor(bytes) : deviceMicroBatch(bytes.largest);
  return chosen === guessedMicroBatch ? guess : traceFor(chosen);
}

/** A graph for micro-batches, which workers share; opened on as many as n examples have work for. */
async function openShared(
  source: Source,
  id: number,
  like: readonly TensorSpec[],
  microBatch: 'auto' | number,
  pool: Runner,
  device: Device,
): Promise<Program> {
  const { specs, ...traced } = traceMicroBatch(source, like, microBatch, device);
  const [size] = specs[0].shape;
  for (const [i, { shape }] of traced.traced.outputs.entries()) {
    if (shape[0] !== size)
      throw new RangeError(
        `compile: with microBatch, the first axis of every result must be the batch, and result ${i} is ${shapeText(shape)} for ${size} examples`,
      );
  }
  const spec = writeProgram(source, id, specs, traced);
  await pool.open(spec, Math.ceil(like[0].shape[0] / size));
  return { structure: traced.structure, results: spec.results, run: (inputs, n) => runShared(pool, spec, inputs, n) };
}

async function runShared(
  pool: Runner,
  spec: ProgramSpec,
  inputs: readonly TensorData[],
  n: number,
): Promise<TensorData[]> {
  const [size] = spec.batch[0].shape;
  const each = ({ shape }: TensorSpec) => sizeOf(shape) / size;
  const results = spec.results.map((result) => newData(n * each(result), result.dtype));
  const runFrom = async (start: number) => {
    const end = Math.min(n, start + size);
    const { results: parts } = await pool.run(spec, () => ({
      kind: 'run',
      program: spec.id,
      // The last micro-batch is filled up with zeros.
      batch: spec.batch.map((input, i) => {
        const part = newData(sizeOf(input.shape), input.dtype);
        part.set(inputs[i].subarray(start * each(input), end * each(input)));
        return part;
      }),
      microBatches: 1,
    }));
    for (const [i, result] of spec.results.entries())
      results[i].set(parts[i].subarray(0, (end - start) * each(result)), start * each(result));
  };
  await Promise.all(Array.from({ length: Math.ceil(n / size) }, (_, i) => runFrom(i * size)));
  return results;
}

/**
 * Traces a function of tensors once for each shape of its inputs, and runs the graphs on ONNX Runtime. Variables and
 * tensors that it captures become constants, with the values they have when it is traced; but for the variables in
 * `parameters`.
 * @typeParam F the function's type, which is kept but for the promise
 * @param fn returns a tensor, a list of tensors or a record of tensors; reads no tensor's values and draws no random
 * numbers
 * @param examples tensors of the shapes to be ready for; their values do not matter
 * @returns a function of tensors that resolves to tensors of the caller's backend, which the caller owns
 * @throws Error if the function uses a kernel that cannot be compiled (its message names it), reads a traced value, or
 * draws random numbers
 */
export async function compile<F extends (...inputs: never[]) => TensorResult>(
  fn: F,
  examples: readonly tf.Tensor[],
  options: CompileOptions = {},
): Promise<CompiledFunction<F>> {
  const { parameters = new Map<string, tf.Variable>(), threads, microBatch, workers, device = 'cpu' } = options;
  const { path = device === 'cpu' ? 'fast' : 'portable' } = options;
  checkOptions(options, examples);
  await tf.ready();
  const shared = microBatch !== undefined;
  const named = [...parameters].map(([name, variable]) => specOf(variable, `parameter:${name}`));
  const specs = weightSpecs(named);
  const many = !shared && device === 'cpu' && bytesOf(specs) > MANY_BYTES;
  const target = {
    ...(path === 'fast' ? await fastTarget() : device === 'cpu' ? portable : portableOnDevice),
    ...{ inference: true, compact: many },
  };
  const weights = createWeights(many ? [] : named, shared && device === 'cpu');
  const variables = new WatchedVariables('compile', many ? new Map() : parameters, weights);
  const source = {
    fn: fn as unknown as TensorFunction,
    parameters,
    weights: specs,
    target,
    bound: device === 'webgpu',
  };
  const large =
    many && new LargeExecutor('compile', [...parameters.values()], specs, { threads: threadCount(threads) });
  const pool =
    device !== 'cpu'
      ? onDevice('compile', device, weights)
      : shared
        ? new Pool('compile', threadCount(workers), weights)
        : undefined;
  const executor = pool ? undefined : startExecutor(weights, { threads: threadCount(threads) });
  /** By the inputs' shapes, but for the batch where it does not matter. */
  const programs = new Memo<string, Program>();
  let opened = 0;
  let disposed = false;
  /** The end of the last call that reads variables. */
  let last: Promise<unknown> = Promise.resolve();

  const programFor = (inputs: readonly tf.Tensor[]): Promise<Program> =>
    programs.get(inputs.map(({ shape }) => (shared ? shape.slice(1) : shape).join()).join('|'), () => {
      const sized = inputs.map((tensor, i) => specOf(tensor, `input${i}`));
      const id = opened++;
      if (large) return openLarge(source, id, sized, large);
      return microBatch === undefined
        ? openWhole(source, id, sized, executor ?? pool!)
        : openShared(source, id, sized, microBatch, pool!, device);
    });
  const run = async (...inputs: tf.Tensor[]): Promise<TensorResult> => {
    if (disposed) throw new Error('compile: this compiled function has been disposed');
    checkInputs(examples, inputs, shared);
    const n = inputs[0]?.shape[0] ?? 1;
    // Whatever happens to them from now on.
    const reading = Promise.all([variables.read(), Promise.all(inputs.map((input) => input.data()))]);
    const compute = async () => {
      const [changes, values] = await reading;
      const { run: execute, results, structure } = await programFor(inputs);
      variables.write(changes);
      const data = await execute(
        values.map((array, i) => asData(array, inputs[i].dtype as DType)),
        n,
      );
      const tensors = results.map(({ shape, dtype }, i) =>
        tf.tensor(data[i], shared ? [n, ...shape.slice(1)] : [...shape], dtype as tf.DataType),
      );
      return unflatten(structure, tensors);
    };
    if (parameters.size === 0) return compute();
    // Whoever waits for the result hears of it.
    reading.catch(() => {});
    const result = last.then(compute);
    last = result.catch(() => {});
    return result;
  };
  const dispose = async () => {
    disposed = true;
    await programs.close(() => Promise.resolve());
    await pool?.close();
    await last;
    await executor?.close();
    if (large) await large.close();
  };

  try {
    if (examples.length > 0 && examples.every(({ shape }) => sizeOf(shape) > 0)) await programFor(examples);
  } catch (error) {
    await dispose();
    throw error;
  }
  return Object.assign(run as unknown as CompiledFunction<F>, { dispose });
}

function checkOptions({ threads, microBatch, workers }: CompileOptions, examples: readonly tf.Tensor[]): void {
  checkCount('compile', 'microBatch', microBatch);
  checkCount('compile', 'workers', workers);
  checkCount('compile', 'threads', threads);
  if (microBatch === undefined && workers !== undefined)
    throw new TypeError('compile: workers share micro-batches; give microBatch too');
  if (microBatch !== undefined && threads !== undefined)
    throw new TypeError('compile: with microBatch, every worker has one thread; give workers instead of threads');
  if (microBatch !== undefined && (examples.length === 0 || examples.some(({ rank }) => rank === 0)))
    throw new RangeError(
      'compile: with microBatch, expected at least one example input, and a batch as the first axis of each',
    );
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
