import type { Among } from '@ddpm/compile';
import type { Arrays, Batch, Gradients, GradientsResult, Task, Variables } from '@ddpm/train';
import type * as tf from '@tensorflow/tfjs-core';
import type { Cost } from './cost';

/** Whatever executes tfjs functions and trains them: compiled to ONNX Runtime, or an eager tfjs backend. */
export interface Execution {
  /** Which one it is. */
  readonly name: Exclude<ExecutionName, 'auto'>;
  /** One line that says what was picked and why, to be shown. */
  readonly reason: string;
  /**
   * A task's loss and gradients.
   * @param example inputs like those of a step, as `task.draw` gives them; their values do not matter
   */
  gradients(task: Task, example: Batch): Promise<Gradients | DivisibleGradients>;
  /**
   * A task's losses alone, those that are one number for each example, by the values that its variables have at each
   * call: what validation needs.
   * @param example inputs like those of a step
   */
  losses(task: Task, example: Batch): Promise<Compiled<(inputs: Batch) => Arrays>>;
  /**
   * A pure function of tensors as an asynchronous one. Nothing is traced or opened again where only values change.
   * @typeParam F the function's type, which is kept but for the promise
   * @param fn a function of examples, which lie along the first axis of every input and result
   * @param examples tensors like its inputs; their values do not matter
   */
  compile<F extends TensorFunction>(
    fn: F,
    examples: readonly tf.Tensor[],
    options?: CompileOptions,
  ): Promise<Compiled<F>>;
  /**
   * Memory and work of such a function for an example. Where it is compiled, nothing is run.
   * @param fn as for `compile`
   * @param examples one example of each of its inputs
   */
  cost(fn: TensorFunction, examples: readonly tf.Tensor[], options?: CompileOptions): Promise<Cost>;
}

/** Gradients of a batch that several processes can compute together. */
export interface DivisibleGradients extends Gradients {
  /** In how many groups a batch of n examples is computed, which the processes share. */
  groups(n: number): number;
  /**
   * The same as a call alone, to the bit, where all processes make it.
   * @param batch the whole batch
   * @param others the processes
   */
  among(parameters: Arrays, batch: Batch, others: Among): Promise<GradientsResult>;
  /** The compiled model, which those that compute together must have alike. */
  readonly model: Uint8Array;
}

/** How a function is to be compiled. */
export interface CompileOptions {
  /**
   * Variables that the function reads, whose values may change between calls. Others, where it is compiled, keep the
   * values that they have now.
   */
  readonly parameters?: Variables;
  /** Whether examples depend on each other, so that a batch may not be cut. */
  readonly coupled?: boolean;
}

/** A function of tensors. */
export type TensorFunction = (...inputs: never[]) => tf.Tensor | tf.Tensor[] | Record<string, tf.Tensor>;

/**
 * A function that runs elsewhere. Its results are the caller's.
 * @typeParam F the function, whose type is kept but for the promise
 */
export interface Compiled<F extends (...inputs: never[]) => unknown> {
  (...inputs: Parameters<F>): Promise<ReturnType<F>>;
  /** Frees what runs it. */
  dispose(): Promise<void>;
}

/** The executions by name; `auto` is the best there is. */
export const executionNames = [
  'auto',
  'compiled',
  'webgpu',
  'cuda',
  'tfjs-node-gpu',
  'tfjs-node',
  'wasm',
  'cpu',
] as const;
/**
 * An execution's name, or `auto` for the best there is.
 * @useDeclaredType
 */
export type ExecutionName = (typeof executionNames)[number];
