import * as tf from '@tensorflow/tfjs-core';
import type { TensorSpec } from './graph';
import { sizeOf } from './graph';
import type { KeepingRunner, Runner } from './run/device';
import { deviceMicroBatch, onDevice } from './run/device';
import type { Device } from './run/ort';
import type { Executor } from './run/executor';
import { startExecutor } from './run/threads';
import { Memo } from './run/memo';
import { shapeText } from './onnx';
import { kindOf } from './run/realm';
import { planGradients } from './plan/gradients';
import { vectorsOf } from './plan/vectors';
import type { Arrays, KeptVectors, Rule } from './run/kept';
import { guessedMicroBatch, microBatchFor, resultBytes } from './plan/micro-batch';
import { checkCount, threadCount } from './run/options';
import { Pool } from './run/pool';
import type { GradientProgram } from './run/gradient-program';
import { closeProgram, finishGradients, openProgram } from './run/gradient-program';
import { fastTarget, portable, portableOnDevice } from './self-test';
import type { TensorData } from './run/data';
import { Summation } from './run/summation';
import type { Among } from './run/tree';
import { specOf } from './trace';
import type { Column, LossResult, LossTrace } from './trace-loss';
import { traceLoss } from './trace-loss';
import type { Change, WeightMemory } from './run/weights';
import { createWeights, WatchedVariables, writeWeight } from './run/weights';

/** How gradients are computed. */
export interface CompileGradientsOptions {
  /**
   * Variables that the loss reads and is not differentiated by, by name. A run takes the values that they have when it
   * is called.
   */
  frozen?: ReadonlyMap<string, tf.Variable>;
  /**
   * For a loss whose examples depend on each other, such as a contrastive one: the whole batch goes through one graph,
   * one for each size of batch, and threads share each operator.
   */
  coupled?: boolean;
  /**
   * Examples that go through the graph at a time. 'auto' takes as many as keep the largest intermediate result within
   * the processor's cache, but no more than it takes for calls of operators to cost little.
   */
  microBatch?: 'auto' | number;
  /**
   * How many threads may share the micro-batches; no more are started than can have any. 'auto' is one for each
   * processor. The results do not depend on it.
   */
  workers?: 'auto' | number;
  /**
   * With `coupled`: threads that one operator may use. 'auto' is 8, whatever the number of processors: ORT cuts an
   * operator into as many pieces, and the last bits of some depend on where (a sum's, and a product's of few rows and
   * many columns).
   */
  threads?: 'auto' | number;
  /** Whether ORT's blocked convolutions may be used where this machine has them. */
  path?: 'fast' | 'portable';
  /**
   * Where it is computed: the processor, or a GPU, through WebGPU or CUDA, on which micro-batches are larger and run
   * one after the other.
   */
  device?: Device;
}

/** The loss of a batch and its gradients. */
export interface Gradients {
  /** The mean of the loss over the batch. */
  loss: number;
  /** Of the mean loss, by parameter, in the parameters' layout; the next run overwrites them. */
  gradients: Map<string, Float32Array>;
  /**
   * The examples' losses, by name: `loss`, and what else a record of losses names, row-major. Empty where the function
   * returns the mean alone.
   */
  losses: ReadonlyMap<string, Float32Array>;
}

/** Loss and gradients, ready to run. */
export interface CompiledGradients {
  /** Examples that go through the graph at a time; absent where batches are not cut. */
  readonly microBatch?: number;
  /** Worker threads that have been started. */
  readonly workers: number;
  /**
   * Loss and gradients of a batch of any size. Calls do not overlap: a second waits for the first.
   * @param parameters current values by name, in the variables' layout
   * @param inputs one array for each example input, the batch on its first axis
   * @param among the processes that compute the batch together, if this one does not alone: each gives the same
   * parameters and the whole batch, computes its share of it, and gets the whole's result, to the bit
   */
  run(
    parameters: ReadonlyMap<string, Float32Array>,
    inputs: readonly (Float32Array | Int32Array)[],
    among?: Among,
  ): Promise<Gradients>;
  /** In how many groups a batch of n examples is computed, which processes can share; absent where it is not cut. */
  readonly groups?: (n: number) => number;
  /**
   * Keeps the parameters on the device, and with them other arrays as long as they are, which change by a rule that
   * runs there. Absent where results do not stay on a device.
   * @param rule a pure function of tensors, which is traced
   * @param arrays what they begin with: the parameters, and the other arrays
   */
  readonly keep?: (rule: Rule, arrays: readonly Arrays[]) => Promise<Kept>;
  /** The model of one micro-batch, as ONNX: whoever computes the same in the same way has the same bytes. */
  readonly model: Uint8Array;
  /** Ends the workers. */
  dispose(): Promise<void>;
}

/** Parameters, and arrays beside them, on a device. Calls do not overlap: a second waits for the first. */
export interface Kept {
  /** The loss of a batch, and the sum of the squares of its gradient's elements; the gradient stays on the device. */
  gradients(
    inputs: readonly (Float32Array | Int32Array)[],
  ): Promise<Pick<Gradients, 'loss' | 'losses'> & { readonly squares: number }>;
  /** Changes all arrays by the rule and the gradient that has been computed, which is free then. */
  update(numbers: readonly number[]): Promise<void>;
  /** Copies of the arrays. */
  read(): Promise<readonly Arrays[]>;
  /** Sets the arrays. */
  write(arrays: readonly Arrays[]): Promise<void>;
}

/** The same number on every machine. */
const coupledThreads = (threads: 'auto' | number) => (threads === 'auto' ? 8 : threads);

type Variables = ReadonlyMap<string, tf.Variable>;

/**
 * Traces a loss function and its gradient, and computes both over batches of any size on worker threads, each with ONNX
 * Runtime on one thread.
 * The sums are taken in the same order whatever the number of workers, so the results are the same to the bit.
 * @param lossFn the mean loss of its examples as a scalar, or their losses as a tensor [n], or several losses of them,
 * each [n, …], by name, of
 *   which the one named `loss`, [n], is differentiated; every input's first axis is the batch. It must not read tensors'
 *   values, draw random numbers, or assign variables
 * @param parameters the variables to take gradients of, by name: all trainable ones that the loss reads, but for the
 * frozen ones; others are
 *   constants
 * @param examples tensors like the inputs; their values do not matter, and the size of their first axis says for which
 * batch to be ready
 * @throws Error if the loss uses a kernel that cannot be compiled or reads another trainable variable, or tfjs's
 * gradients are not registered
 */
export async function compileGradients(
  lossFn: (...inputs: never[]) => LossResult,
  parameters: ReadonlyMap<string, tf.Variable>,
  examples: readonly tf.Tensor[],
  options: CompileGradientsOptions = {},
): Promise<CompiledGradients> {
  const {
    frozen = new Map<string, tf.Variable>(),
    coupled = false,
    microBatch = 'auto',
    workers,
    threads = 'auto',
    device = 'cpu',
    path = device === 'cpu' ? 'fast' : 'portable',
  } = options;
  checkOptions(options);
  checkVariables(parameters, frozen);
  if (examples.length === 0 || examples.some(({ rank }) => rank === 0)) {
    throw new RangeError(
      'compileGradients: expected at least one example input, and a batch as the first axis of each',
    );
  }
  if (!tf.getGradient('Add'))
    throw new Error(
      "compileGradients: tfjs's gradients are not registered; import '@tensorflow/tfjs' once in the application",
    );
  await tf.ready();

  const target = path === 'fast' ? await fastTarget() : device === 'cpu' ? portable : portableOnDevice;
  const items = examples.map((example, i) => ({ ...specOf(example, `input${i}`), shape: example.shape.slice(1) }));
  const specsFor = (n: number) => items.map(({ name, dtype, shape }) => ({ name, dtype, shape: [n, ...shape] }));
  const traceFor = (n: number) =>
    traceLoss(lossFn as (...inputs: tf.Tensor[]) => LossResult, parameters, frozen, specsFor(n), target);

  const batch = Math.max(1, examples[0].shape[0]);
  const first = coupled
    ? traceFor(batch)
    : microBatch === 'auto'
      ? automatic(traceFor, items.length, device)
      : traceFor(microBatch);
  const weights = weightsOf(parameters, frozen, !coupled && device === 'cpu');
  const executor = startExecutor(weights, coupled ? { threads: coupledThreads(threads), sleep: true } : { threads: 1 });
  const open = (n: number, traced: LossTrace) =>
    openProgram(planGradients(n, traced, specsFor(n), weights.specs, device === 'webgpu'), executor);
  const step = new Step({
    items,
    parameters,
    frozen,
    weights,
    microBatch: coupled ? undefined : first.traced.inputs[0].shape[0],
    pool:
      device !== 'cpu'
        ? onDevice('compileGradients', device, weights)
        : coupled
          ? undefined
          : new Pool('compileGradients', threadCount(workers), weights),
    executor,
    here: device === 'cpu',
    open: (n) => open(n, traceFor(n)),
  });
  try {
    await step.prepare(batch, () => open(first.traced.inputs[0].shape[0], first));
  } catch (error) {
    await step.dispose();
    throw error;
  }
  return step;
}

function checkOptions({ coupled, microBatch, workers, threads }: CompileGradientsOptions): void {
  checkCount('compileGradients', 'microBatch', microBatch);
  checkCount('compileGradients', 'workers', workers);
  checkCount('compileGradients', 'threads', threads);
  if (coupled && microBatch !== undefined)
    throw new TypeError('compileGradients: a coupled batch is not cut; leave microBatch out');
  if (coupled && workers !== undefined)
    throw new TypeError('compileGradients: a coupled batch is not shared among workers; give threads instead');
  if (!coupled && threads !== undefined)
    throw new TypeError(
      'compileGradients: unless the batch is coupled, every worker has one thread; give workers instead of threads',
    );
}

function checkVariables(parameters: Variables, frozen: Variables): void {
  if (parameters.size === 0) throw new RangeError('compileGradients: there are no parameters to take gradients of');
  for (const [name, { dtype }] of parameters)
    if (dtype !== 'float32')
      throw new TypeError(`compileGradients: parameter ${name} must be float32, and is ${dtype}`);
  const names = new Map([...parameters].map(([name, variable]) => [variable, name]));
  for (const [name, variable] of frozen) {
    const parameter = names.get(variable);
    if (parameter !== undefined)
      throw new TypeError(`compileGradients: ${name} cannot be frozen, since it is the parameter ${parameter}`);
  }
}

/** The parameters, the frozen variables, and the scale of the loss, as traceLoss has them. */
function weightsOf(parameters: Variables, frozen: Variables, shared: boolean): WeightMemory {
  const specs = (kind: string, variables: Variables) =>
    [...variables].map(([name, variable]) => specOf(variable, `${kind}:${name}`));
  const scale = { name: 'scale', shape: [], dtype: 'float32' } as const;
  return createWeights([...specs('parameter', parameters), ...specs('frozen', frozen), scale], shared);
}

/** For as many examples as keep the largest result small. */
function automatic(traceFor: (n: number) => LossTrace, inputs: number, device: Device): LossTrace {
  const guess = traceFor(guessedMicroBatch);
  const bytes = resultBytes(guess.traced, inputs, guess.gradients);
  const chosen = device === 'cpu' ? microBatchFor(bytes) : deviceMicroBatch(bytes.largest);
  return chosen === guessedMicroBatch ? guess : traceFor(chosen);
}

interface StepOptions {
  /** The loss function's inputs, as one example has them. */
  readonly items: readonly TensorSpec[];
  readonly parameters: Variables;
  readonly frozen: Variables;
  readonly weights: WeightMemory;
  readonly microBatch?: number;
  readonly pool?: Runner & Partial<KeepingRunner>;
  readonly executor: Executor;
  /** Whether the executor may run micro-batches. */
  readonly here: boolean;
  /** Traces and opens the program of a size of micro-batch. */
  readonly open: (microBatch: number) => Promise<GradientProgram>;
}

/** A training step, run as often as one likes. */
class Step implements CompiledGradients {
  readonly microBatch?: number;
  model: Uint8Array = new Uint8Array();
  private readonly items: readonly TensorSpec[];
  private readonly parameters: Variables;
  private readonly weights: WeightMemory;
  private readonly frozen: WatchedVariables;
  private readonly pool?: Runner & Partial<KeepingRunner>;
  private readonly kept: KeptVectors[] = [];
  private readonly executor: Executor;
  private readonly summation: Summation;
  private readonly open: (microBatch: number) => Promise<GradientProgram>;
  /** By size of micro-batch. */
  private readonly programs = new Memo<number, GradientProgram>();
  private disposed = false;
  /** The end of the last call. */
  private last: Promise<unknown> = Promise.resolve();

  constructor({ items, parameters, frozen, weights, microBatch, pool, executor, here, open }: StepOptions) {
    this.items = items;
    this.parameters = parameters;
    this.weights = weights;
    this.frozen = new WatchedVariables('compileGradients', frozen, weights, parameters.size);
    this.microBatch = microBatch;
    this.pool = pool;
    this.executor = executor;
    this.summation = new Summation(here ? executor : undefined, pool);
    this.open = open;
  }

  get workers(): number {
    return this.pool?.size ?? 0;
  }

  /** Opens the program for whole micro-batches where those of such a batch will run. */
  async prepare(batch: number, open: () => Promise<GradientProgram>): Promise<void> {
    const size = this.microBatch ?? batch;
    const program = await this.programs.get(size, open);
    await this.summation.open(program, Math.floor(batch / size));
    this.model = program.spec.main;
  }

  get groups(): ((n: number) => number) | undefined {
    const { microBatch } = this;
    if (microBatch === undefined) return undefined;
    return (n) => this.summation.groups(Math.max(1, Math.floor(n / microBatch))).length;
  }

  run(
    current: ReadonlyMap<string, Float32Array>,
    inputs: readonly (Float32Array | Int32Array)[],
    among?: Among,
  ): Promise<Gradients> {
    if (among && this.microBatch === undefined)
      return Promise.reject(new TypeError('compileGradients: a coupled batch is not shared among processes'));
    return this.inTurn((changes) => this.runNow(current, inputs, changes, among));
  }

  /** Runs something with the frozen variables as they are now, when what is running has ended. */
  private inTurn<T>(work: (changes: readonly Change[]) => Promise<T>): Promise<T> {
    const reading = this.frozen.read();
    // Whoever waits for the result hears of it.
    reading.catch(() => {});
    const result = this.last.then(async () => work(await reading));
    this.last = result.catch(() => {});
    return result;
  }

  async dispose(): Promise<void> {
    this.disposed = true;
    for (const kept of this.kept) await kept.close();
    await this.pool?.close();
    await this.last;
    await this.executor.close();
    await this.programs.close(closeProgram);
  }

  get keep(): CompiledGradients['keep'] {
    const keep = this.pool?.keep;
    if (!keep) return undefined;
    return async (rule, arrays) => {
      const kept = keep(vectorsOf([...this.parameters].map(([name, { shape }]) => [name, shape])), rule);
      this.kept.push(kept);
      await kept.write(arrays);
      const gradients: Kept['gradients'] = (inputs) =>
        this.inTurn(async (changes) => {
          const { n, parts } = await this.begin(inputs, changes);
          const { losses, squares } = await kept.compute(parts, inputs);
          const all = losses.map((values, i) => ({ values: [...values], microBatch: parts[i].program.microBatch }));
          return { ...lossesOf(all, parts[0].program.columns, n), squares };
        });
      return { gradients, update: kept.update, read: kept.read, write: kept.write };
    };
  }

  /** Writes all weights but the parameters, and opens the programs for a batch. */
  private async begin(inputs: readonly TensorData[], changes: readonly Change[]) {
    if (this.disposed) throw new Error('compileGradients: it has been disposed');
    const n = checkInputs(this.items, inputs);
    this.frozen.write(changes);
    writeWeight(this.weights, this.weights.specs.length - 1, [1 / n]);
    // Before any runs, so that nothing is lost where one cannot be opened.
    const parts: { program: GradientProgram; start: number; microBatches: number }[] = [];
    for (const { size, ...part } of cut(n, this.microBatch)) {
      parts.push({ ...part, program: await this.programs.get(size, () => this.open(size)) });
    }
    return { n, parts };
  }

  private async runNow(
    current: ReadonlyMap<string, Float32Array>,
    inputs: readonly (Float32Array | Int32Array)[],
    changes: readonly Change[],
    among?: Among,
  ): Promise<Gradients> {
    const { n, parts } = await this.begin(inputs, changes);
    this.writeParameters(current);
    const losses: Losses[] = [];
    const found = new Map<string, Float32Array>();
    for (const { program, ...part } of parts) {
      const values = await this.summation.run(program, part, inputs, among);
      losses.push({ values: values.flatMap((data) => [...data]), microBatch: program.microBatch });
      await finishGradients(program, found);
    }
    const gradients = new Map<string, Float32Array>();
    for (const [name, { size }] of this.parameters) gradients.set(name, found.get(name) ?? new Float32Array(size));
    return { ...lossesOf(losses, parts[0].program.columns, n), gradients };
  }

  private writeParameters(current: ReadonlyMap<string, Float32Array>): void {
    for (const [i, [name, { size }]] of [...this.parameters].entries()) {
      const data = current.get(name);
      if (data?.length !== size) {
        throw new RangeError(
          `compileGradients: parameter ${name} has ${size} elements, got ${data ? data.length : 'none'}; compile again where shapes change`,
        );
      }
      writeWeight(this.weights, i, data);
    }
  }
}

/**
 * A batch as micro-batches of one size, and the last examples as one of their own; whole where the size is not given.
 */
function cut(n: number, microBatch = n): { size: number; start: number; microBatches: number }[] {
  const whole = Math.floor(n / microBatch);
  const rest = n % microBatch;
  const parts = [
    { size: microBatch, start: 0, microBatches: whole },
    { size: rest, start: whole * microBatch, microBatches: 1 },
  ];
  return parts.filter(({ size, microBatches }) => size > 0 && microBatches > 0);
}

/** The results of some micro-batches: their mean losses, or the columns of their examples' losses, row by row. */
interface Losses {
  readonly values: readonly number[];
  readonly microBatch: number;
}

function lossesOf(parts: readonly Losses[], columns: readonly Column[], n: number): Pick<Gradients, 'loss' | 'losses'> {
  if (columns.length === 0) {
    const sum = parts.reduce(
      (total, { values, microBatch }) => values.reduce((part, value) => part + value * microBatch, total),
      0,
    );
    return { loss: sum / n, losses: new Map() };
  }
  const rows = parts.flatMap(({ values }) => values);
  const losses = new Map(columns.map(({ name, width }) => [name, new Float32Array(n * width)]));
  for (let example = 0, at = 0; example < n; example++) {
    for (const { name, width } of columns) {
      const values = losses.get(name)!;
      for (let i = 0; i < width; i++) values[example * width + i] = rows[at++];
    }
  }
  const sum = losses.get(columns[0].name)!.reduce((total, value) => total + value, 0);
  return { loss: sum / n, losses };
}

/** @returns the batch's size */
function checkInputs(items: readonly TensorSpec[], inputs: readonly TensorData[]): number {
  if (inputs.length !== items.length)
    throw new TypeError(`compileGradients: the loss function has ${items.length} inputs, got ${inputs.length}`);
  const sizes = inputs.map((data, i) => data.length / Math.max(1, sizeOf(items[i].shape)));
  for (const [i, { shape, dtype }] of items.entries()) {
    if (!Number.isInteger(sizes[i]) || sizes[i] !== sizes[0] || sizes[i] === 0) {
      throw new RangeError(
        `compileGradients: input ${i} has ${inputs[i].length} elements, which is ${sizes[i]} examples of shape ${shapeText(shape)}, and input 0 has ${sizes[0]}; expected the same whole number, at least 1 (compile again where shapes change)`,
      );
    }
    const expected = dtype === 'int32' ? Int32Array : Float32Array;
    if (kindOf(inputs[i]) !== expected.name)
      throw new TypeError(`compileGradients: input ${i} must be a ${expected.name}, as its example is ${dtype}`);
  }
  return sizes[0];
}
