import type * as tf from '@tensorflow/tfjs-core';
import type { TensorSpec } from '../graph';
import { sizeOf } from '../graph';
import type { TensorData } from './data';
import { asData, dataAt } from './data';
import { sharedMemory } from './memory';

/** A value that all micro-batches share, and where it lies. */
export interface WeightSpec extends TensorSpec {
  /** In bytes. */
  readonly offset: number;
}

/** The weights' values, as several threads see them. */
export interface WeightMemory {
  readonly specs: readonly WeightSpec[];
  /** All values, one weight after the other. In shared memory where workers are to see them, and there is such. */
  readonly values: ArrayBufferLike;
  /** A number for each weight, which grows whenever it is written. */
  readonly versions: Int32Array;
}

/** Bytes of weights that lie one after the other. */
export const bytesOf = (specs: readonly WeightSpec[]): number => {
  const last = specs.at(-1);
  return last ? last.offset + bytesEach(last) : 0;
};

// Whole words, so that each begins at one.
const bytesEach = ({ shape, dtype }: TensorSpec) => 4 * Math.ceil((sizeOf(shape) * (dtype === 'bool' ? 1 : 4)) / 4);

/** Weights, each behind the one before it. */
export function weightSpecs(weights: Iterable<TensorSpec>): WeightSpec[] {
  let offset = 0;
  return Array.from(weights, ({ name, shape, dtype }) => {
    const spec = { name, shape: [...shape], dtype, offset };
    offset += bytesEach(spec);
    return spec;
  });
}

/** @param shared whether workers are to see the values */
export function createWeights(weights: Iterable<TensorSpec>, shared: boolean): WeightMemory {
  const specs = weightSpecs(weights);
  const memory = (bytes: number) => (shared ? sharedMemory(bytes) : new ArrayBuffer(bytes));
  return { specs, values: memory(bytesOf(specs)), versions: new Int32Array(memory(4 * specs.length)) };
}

/** Writes values, of whatever array, where nothing that reads them is running. */
export function writeWeight({ specs, values, versions }: WeightMemory, index: number, data: ArrayLike<number>): void {
  const { shape, dtype, offset } = specs[index];
  dataAt(values, shape, dtype, offset).set(data);
  versions[index]++;
}

/** Values of a variable that has been assigned. */
export interface Change {
  readonly index: number;
  readonly dataId: object;
  readonly data: TensorData;
}

/** Variables as weights: they are read, and written to the weights' memory, only when they have been assigned. */
export class WatchedVariables {
  private readonly who: string;
  private readonly variables: readonly (readonly [name: string, variable: tf.Variable])[];
  private readonly memory: WeightMemory;
  private readonly first: number;
  /** A variable gets another dataId when it is assigned. */
  private readonly written: object[] = [];

  /** @param first which of the weights is the first variable */
  constructor(who: string, variables: ReadonlyMap<string, tf.Variable>, memory: WeightMemory, first = 0) {
    this.who = who;
    this.variables = [...variables];
    this.memory = memory;
    this.first = first;
  }

  /**
   * Begins to read, before it returns, what has been assigned since it was written: whatever happens to the variables
   * afterwards.
   */
  read(): Promise<Change[]> {
    const changed = [...this.variables.entries()].filter(([i, [, variable]]) => this.written[i] !== variable.dataId);
    return Promise.all(
      changed.map(async ([index, [name, variable]]) => {
        const { dataId, isDisposed } = variable;
        if (isDisposed) throw new Error(`${this.who}: variable ${name} has been disposed`);
        return { index, dataId, data: asData(await variable.data(), this.memory.specs[this.first + index].dtype) };
      }),
    );
  }

  write(changes: readonly Change[]): void {
    for (const { index, dataId, data } of changes) {
      if (this.written[index] === dataId) continue;
      writeWeight(this.memory, this.first + index, data);
      this.written[index] = dataId;
    }
  }
}
