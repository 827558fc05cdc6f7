import * as tf from '@tensorflow/tfjs-core';
import type { Shape } from './graph';
import { sizeOf } from './graph';
import type { Executor } from './executor';
import { createExecutor, reasonOf } from './executor';
import { shapeText } from './onnx';
import { kindOf } from './host';
import { checkCount, guessedMicroBatch, microBatchFor, workerCount } from './options';
import { Pool } from './pool';
import type { Program } from './program';
import { addSums, closeProgram, finishGradients, openProgram, parameterLayout } from './program';
import type { GroupRequest } from './protocol';
import { fastTarget, portable } from './self-test';
import { specOf } from './trace';
import type { LossTrace } from './trace-loss';
import { largestResult, traceLoss } from './trace-loss';

/** How gradients are computed. */
export interface CompileGradientsOptions {
  /** Examples that go through the graph at a time. 'auto' takes as many as keep the largest intermediate result within the processor's cache. */
  microBatch?: 'auto' | number;
  /** Threads, each with its own copy of the parameters. 'auto' is one for each processor. The results do not depend on it. */
  workers?: 'auto' | number;
  /** Whether ORT's blocked convolutions may be used where this machine has them. */
  path?: 'fast' | 'portable';
}

/** What a batch gives. */
export interface Gradients {
  /** The mean of the loss over the batch. */
  loss: number;
  /** Of the mean loss, by parameter, in the parameters' layout; the next run overwrites them. */
  gradients: Map<string, Float32Array>;
  /** Each example's loss, where the loss function returns them. */
  losses?: Float32Array;
}

/** Loss and gradients, ready to run. */
export interface CompiledGradients {
  /** Examples that go through the graph at a time. */
  readonly microBatch: number;
  /** Threads. */
  readonly workers: number;
  /**
   * Loss and gradients of a batch of any size. Calls do not overlap: a second waits for the first.
   * @param parameters current values by name, in the variables' layout
   * @param inputs one array for each example input, the batch on its first axis
   */
  run(parameters: ReadonlyMap<string, Float32Array>, inputs: readonly (Float32Array | Int32Array)[]): Promise<Gradients>;
  /** Ends the workers. */
  dispose(): Promise<void>;
}

/** A batch is cut into at most this many groups of micro-batches, whatever the number of workers, so that sums are always taken in the same order. */
const maxGroups = 8;

/** How many micro-batches each group has; as even as can be, and the same for any number of workers. */
function groupSizes(microBatches: number): number[] {
  const groups = Math.min(maxGroups, microBatches);
  return Array.from({ length: groups }, (_, i) => Math.floor(((i + 1) * microBatches) / groups) - Math.floor((i * microBatches) / groups));
}

/**
 * Traces a loss function and its gradient, and computes both over batches of any size on worker threads, each with ONNX Runtime on one thread.
 * The sums are taken in the same order whatever the number of workers, so the results are the same to the bit.
 * @param lossFn the mean loss of its examples as a scalar, or their losses as a tensor [n]; every input's first axis is the batch. It must not
 *   read tensors' values, draw random numbers, or assign variables
 * @param parameters the variables to take gradients of, by name: all trainable ones that the loss reads; others are constants
 * @param examples tensors like the inputs; their values and the size of their first axis do not matter
 * @throws Error if the loss uses a kernel that cannot be compiled or reads another trainable variable, or tfjs's gradients are not registered
 */
export async function compileGradients(
  lossFn: (...inputs: never[]) => tf.Tensor,
  parameters: ReadonlyMap<string, tf.Variable>,
  examples: readonly tf.Tensor[],
  options: CompileGradientsOptions = {},
): Promise<CompiledGradients> {
  checkCount('compileGradients', 'microBatch', options.microBatch);
  checkCount('compileGradients', 'workers', options.workers);
  if (parameters.size === 0) throw new RangeError('compileGradients: there are no parameters to take gradients of');
  if (examples.length === 0 || examples.some(({ rank }) => rank === 0)) {
    throw new RangeError('compileGradients: expected at least one example input, and a batch as the first axis of each');
  }
  if (!tf.getGradient('Add'))
    throw new Error("compileGradients: tfjs's gradients are not registered; import '@tensorflow/tfjs' once in the application");
  for (const [name, { dtype }] of parameters)
    if (dtype !== 'float32') throw new TypeError(`compileGradients: parameter ${name} must be float32, and is ${dtype}`);
  await tf.ready();

  const target = options.path === 'portable' ? portable : await fastTarget();
  const items = examples.map((example, i) => ({ ...specOf(example, `input${i}`), item: example.shape.slice(1) }));
  const specsFor = (n: number) => items.map(({ name, dtype, item }) => ({ name, dtype, shape: [n, ...item] }));
  const traceFor = (n: number) => traceLoss(lossFn as (...inputs: tf.Tensor[]) => tf.Tensor, parameters, specsFor(n), target);

  const asked = options.microBatch ?? 'auto';
  let microBatch = asked === 'auto' ? guessedMicroBatch : asked;
  let first: LossTrace | undefined = traceFor(microBatch);
  if (asked === 'auto') {
    const chosen = microBatchFor(largestResult(first.traced, items.length, first.gradients) / guessedMicroBatch);
    if (chosen !== microBatch) first = undefined;
    microBatch = chosen;
  }

  const layout = parameterLayout(parameters);
  const total = layout.reduce((sum, { size }) => sum + size, 0);
  const shared = new SharedArrayBuffer(4 * total);
  const workers = workerCount(options.workers);
  const pool = new Pool('compileGradients', workers, { parameters: layout, shared });

  const programs = new Map<number, Promise<Program>>();
  const programFor = (n: number): Promise<Program> => {
    let program = programs.get(n);
    if (!program) {
      const traced = first && n === microBatch ? first : traceFor(n);
      first = undefined;
      program = openProgram(n, traced, specsFor(n), layout);
      programs.set(n, program);
      // A failure is reported to whoever asked, and tried anew the next time.
      program.catch(() => programs.delete(n));
    }
    return program;
  };
  const opened = { here: new Map<number, Promise<void>>(), workers: new Map<number, Promise<void>>() };
  let here: Executor | undefined;
  /** Opens a program where it is to run, once. */
  const open = ({ spec }: Program, place: 'here' | 'workers'): Promise<void> => {
    let opening = opened[place].get(spec.id);
    if (!opening) {
      if (place === 'here') here ??= createExecutor({ parameters: layout, shared });
      opening = place === 'here' ? here!.open(spec).catch(rethrow) : pool.broadcast({ kind: 'open', program: spec });
      opened[place].set(spec.id, opening);
      opening.catch(() => opened[place].delete(spec.id));
    }
    return opening;
  };
  try {
    await open(await programFor(microBatch), 'workers');
  } catch (error) {
    await pool.close();
    throw error;
  }

  const sharedValues = new Float32Array(shared);
  /** For each micro-batch size, memory for the sums of a group. */
  const buffers = new Map<number, SharedArrayBuffer[]>();
  let step = 0;

  /** Gradients of the micro-batches from the example `start` on, added to `into`. */
  const accumulate = async (
    program: Program,
    start: number,
    microBatches: number,
    inputs: readonly (Float32Array | Int32Array)[],
    into: Accumulator,
  ) => {
    const { spec, microBatch: size } = program;
    const free = buffers.get(size) ?? [];
    buffers.set(size, free);
    let at = start;
    // One micro-batch alone is not worth sending away.
    const place = microBatches === 1 ? 'here' : 'workers';
    await open(program, place);
    const replies = groupSizes(microBatches).map(async (count) => {
      const from = at;
      at += count * size;
      const range = items.map(({ item }): [number, number] => [from * sizeOf(item), (from + count * size) * sizeOf(item)]);
      let sums: SharedArrayBuffer;
      const request = (batch: (Float32Array | Int32Array)[]): GroupRequest => {
        sums = free.pop() ?? new SharedArrayBuffer(4 * program.sums.total.length);
        return { kind: 'group', program: spec.id, step, batch, microBatches: count, sums };
      };
      const losses =
        place === 'here'
          ? await here!.sum(request(inputs.map((data, i) => data.subarray(...range[i])))).catch(rethrow)
          : await pool.sum(() => request(inputs.map((data, i) => data.slice(...range[i]))));
      return { losses, sums: sums! };
    });
    // Where one fails, the others are waited for, so that the next call finds the workers idle.
    const outcomes = Promise.allSettled(replies);
    for (const [i, pending] of replies.entries()) {
      const { sums, losses } = await pending.catch(async (error: unknown) => {
        await outcomes;
        throw error;
      });
      into.losses.push(losses);
      await addSums(program, new Float32Array(sums), i === 0);
      free.push(sums);
    }
    await finishGradients(program, into.gradients);
  };

  const runNow = async (current: ReadonlyMap<string, Float32Array>, inputs: readonly (Float32Array | Int32Array)[]): Promise<Gradients> => {
    if (disposed) throw new Error('compileGradients: it has been disposed');
    const n = checkInputs(items, inputs);
    for (const [i, name] of [...parameters.keys()].entries()) {
      const data = current.get(name);
      const { offset, size } = layout[i];
      if (data?.length !== size) {
        throw new RangeError(
          `compileGradients: parameter ${name} has ${size} elements, got ${data ? data.length : 'none'}; compile again where shapes change`,
        );
      }
      sharedValues.set(data, offset);
    }
    step++;
    sharedValues[sharedValues.length - 1] = 1 / n;
    const into: Accumulator = { losses: [], gradients: new Map() };
    const whole = Math.floor(n / microBatch);
    const rest = n % microBatch;
    // The last examples have a graph of their own size.
    const [main, last] = [whole > 0 ? await programFor(microBatch) : undefined, rest > 0 ? await programFor(rest) : undefined];
    if (main) await accumulate(main, 0, whole, inputs, into);
    const wholeLosses = into.losses.splice(0);
    if (last) await accumulate(last, whole * microBatch, 1, inputs, into);

    const perExample = (main ?? last)!.spec.perExample;
    const flat = [...wholeLosses, ...into.losses].flatMap((part) => [...part]);
    let lossSum = 0;
    flat.forEach((value, i) => (lossSum += perExample ? value : value * (i < whole ? microBatch : rest)));
    const gradients = new Map<string, Float32Array>();
    for (const [name, { size }] of parameters) gradients.set(name, into.gradients.get(name) ?? new Float32Array(size));
    return { loss: lossSum / n, gradients, losses: perExample ? Float32Array.from(flat) : undefined };
  };

  let last: Promise<unknown> = Promise.resolve();
  let disposed = false;
  return {
    microBatch,
    workers,
    run(current, inputs) {
      const result = last.then(() => runNow(current, inputs));
      last = result.catch(() => {});
      return result;
    },
    async dispose() {
      disposed = true;
      await Promise.all([pool.close(), here?.close()]);
      const settled = await Promise.allSettled(programs.values());
      programs.clear();
      for (const program of settled) {
        if (program.status === 'fulfilled') await closeProgram(program.value);
      }
    },
  };
}

const rethrow = (error: unknown): never => {
  throw new Error(`compileGradients: ${reasonOf(error)}`);
};

interface Accumulator {
  readonly losses: Float32Array[];
  readonly gradients: Map<string, Float32Array>;
}

/** @returns the batch's size */
function checkInputs(items: readonly { item: Shape; dtype: string }[], inputs: readonly (Float32Array | Int32Array)[]): number {
  if (inputs.length !== items.length)
    throw new TypeError(`compileGradients: the loss function has ${items.length} inputs, got ${inputs.length}`);
  const sizes = inputs.map((data, i) => data.length / Math.max(1, sizeOf(items[i].item)));
  for (const [i, { item, dtype }] of items.entries()) {
    if (!Number.isInteger(sizes[i]) || sizes[i] !== sizes[0] || sizes[i] === 0) {
      throw new RangeError(
        `compileGradients: input ${i} has ${inputs[i].length} elements, which is ${sizes[i]} examples of shape ${shapeText(item)}, and input 0 has ${sizes[0]}; expected the same whole number, at least 1 (compile again where shapes change)`,
      );
    }
    const expected = dtype === 'int32' ? Int32Array : Float32Array;
    if (kindOf(inputs[i]) !== expected.name)
      throw new TypeError(`compileGradients: input ${i} must be a ${expected.name}, as its example is ${dtype}`);
  }
  return sizes[0];
}
