import type * as tf from '@tensorflow/tfjs-core';
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { Graph, sizeOf } from '../graph';
import { add } from '../ops';
import type { Port } from '../onnx';
import type { Vector } from '../plan/vectors';
import { dividing, squaring } from '../plan/vectors';
import { portableOnDevice } from '../self-test';
import { trace } from '../trace';
import type { Copying } from './bound';
import { disposeAll, openCopying, openGraph } from './bound';
import type { TensorData } from './data';
import type { DeviceExecutor } from './device-executor';
import type { GradientProgram } from './gradient-program';
import { Memo } from './memo';
import type { Tensors } from './ort';
import { dataOf, ortTensor } from './session';
import { rows } from './rows';

/** Values by parameter. */
export type Arrays = ReadonlyMap<string, Float32Array>;

/**
 * Changes all that is kept of some parameters, element by element.
 * @param values the parameters, and the arrays beside them, [n] each
 * @param gradient [n]
 * @param numbers the same for all elements
 * @returns the next values
 */
export type Rule = (
  values: readonly tf.Tensor1D[],
  gradient: tf.Tensor1D,
  numbers: readonly tf.Scalar[],
) => tf.Tensor[];

/** Parameters, and arrays beside them, on a device. */
export interface KeptVectors {
  readonly write: (arrays: readonly Arrays[]) => Promise<void>;
  readonly read: () => Promise<readonly Arrays[]>;
  /**
   * Runs programs at the parameters that are kept, and keeps the gradient.
   * @returns each program's losses, and the sum of the squares of the gradient's elements
   */
  compute(
    parts: readonly KeptPart[],
    inputs: readonly TensorData[],
  ): Promise<{ readonly losses: readonly TensorData[]; readonly squares: number }>;
  /** Changes all arrays by the rule and the gradient, which is free then. */
  readonly update: (numbers: readonly number[]) => Promise<void>;
  readonly close: () => Promise<void>;
}

/** Micro-batches of a program. */
export interface KeptPart {
  readonly program: GradientProgram;
  readonly start: number;
  readonly microBatches: number;
}

/** @param exclusively does what is to be done when nothing else runs on the device */
export function keepVectors(
  executor: DeviceExecutor,
  vectors: readonly Vector[],
  rule: Rule,
  exclusively: <T>(work: () => Promise<T>) => Promise<T>,
): KeptVectors {
  /** By array and vector. */
  let kept: Tensor[][] = [];
  /** By vector. */
  let gradient: Tensor[] = [];
  const copies = new Memo<string, Copying>();
  const sessions = new Memo<string, InferenceSession>();
  const copying = (length: number, to: 'cpu' | 'gpu-buffer') =>
    copies.get(`${to} ${length}`, () => openCopying([{ shape: [length], dtype: 'float32' }], to));
  const opened = (key: string, graph: () => BoundGraph, to: 'cpu' | 'gpu-buffer' = 'gpu-buffer') =>
    sessions.get(key, () => openGraph(...graph(), to));

  const forget = (): void => {
    disposeAll(gradient);
    gradient = [];
  };

  /** Each parameter by itself, by the names that programs know them by. */
  const weights = async (): Promise<Tensors> => {
    const found: Record<string, Tensor> = {};
    for (const [i, vector] of vectors.entries()) {
      const session = await opened(`divide ${i}`, () => dividing(vector));
      const parts = await session.run({ vector: kept[0][i] });
      for (const [k, { name }] of vector.parameters.entries()) found[`parameter:${name}`] = parts[`parameter${k}`];
    }
    return found;
  };

  /** Adds what a program has summed up to the gradient. */
  const collect = async ({ spec, collect: plan }: GradientProgram, sums: readonly Tensor[]): Promise<void> => {
    const session = await opened(`collect ${spec.id}`, () => plan!(vectors));
    const found = await session.run(Object.fromEntries(sums.map((tensor, i) => [`sum${i}`, tensor])));
    const collected = vectors.map((_, i) => found[`gradient${i}`]);
    if (gradient.length > 0) {
      const before = [...gradient, ...collected];
      const total = await (await opened('add', () => adding(vectors))).run(numbered('vector', before));
      disposeAll(before);
      gradient = vectors.map((_, i) => total[`total${i}`]);
    } else gradient = collected;
  };

  /** Of the elements of the gradient. */
  const sumOfSquares = async (): Promise<number> => {
    const session = await opened('squares', () => squaring(vectors), 'cpu');
    let total = 0;
    for (const rows of Object.values(await session.run(numbered('vector', gradient))))
      for (const square of dataOf(rows)) total += square;
    return total;
  };

  return {
    write: (arrays) =>
      exclusively(async () => {
        const written: Tensor[][] = [];
        for (const array of arrays) {
          const tensors: Tensor[] = [];
          for (const { parameters, length } of vectors) {
            const values = new Float32Array(length);
            for (const { name, offset } of parameters) values.set(array.get(name)!, offset);
            const [tensor] = await (await copying(length, 'gpu-buffer'))([ortTensor(values, [length], 'float32')]);
            tensors.push(tensor);
          }
          written.push(tensors);
        }
        disposeAll(kept.flat());
        kept = written;
      }),

    read: () =>
      exclusively(async () => {
        const arrays: Arrays[] = [];
        for (const tensors of kept) {
          const array = new Map<string, Float32Array>();
          for (const [i, { parameters, length }] of vectors.entries()) {
            const [copy] = await (await copying(length, 'cpu'))([tensors[i]]);
            const values = dataOf(copy) as Float32Array;
            for (const { name, shape, offset } of parameters)
              array.set(name, values.slice(offset, offset + sizeOf(shape)));
          }
          arrays.push(array);
        }
        return arrays;
      }),

    compute: (parts, inputs) =>
      exclusively(async () => {
        forget();
        const own = await weights();
        const losses: TensorData[] = [];
        for (const { program, start, microBatches } of parts) {
          await executor.open(program.spec);
          const batch = rows(program, inputs, start, microBatches);
          const { results, sums } = await executor.accumulate({ program: program.spec.id, batch, microBatches }, own);
          await collect(program, sums);
          disposeAll(sums);
          losses.push(results[0]);
        }
        disposeAll(Object.values(own));
        const squares = await sumOfSquares();
        // What a device has no room for it leaves out, and says so nowhere but in its log.
        if (squares === 0 && losses.every((values) => values.every((value) => value === 0)))
          throw new Error('it gives nothing but zeros, as out of memory it does');
        return { losses, squares };
      }),

    // One vector after the other, so that there is no second copy of them all.
    update: (numbers) =>
      exclusively(async () => {
        const scalars = numbers.map((value) => ortTensor(Float32Array.of(value), [], 'float32'));
        for (const [i, { length }] of vectors.entries()) {
          const session = await opened(`update ${length}`, () =>
            ruled(rule, { length, arrays: kept.length, numbers: numbers.length }),
          );
          const values = kept.map((tensors) => tensors[i]);
          const next = await session.run(numbered('value', [...values, gradient[i], ...scalars]));
          disposeAll(values);
          for (const [k, tensors] of kept.entries()) tensors[i] = next[`next${k}`];
        }
        forget();
      }),

    // The memory before the sessions that it belongs to.
    close: () =>
      exclusively(async () => {
        forget();
        disposeAll(kept.flat());
        kept = [];
        await sessions.close((session) => session.release());
        await copies.close((copy) => copy.release());
      }),
  };
}

const numbered = (name: string, tensors: readonly Tensor[]): Tensors =>
  Object.fromEntries(tensors.map((tensor, i) => [`${name}${i}`, tensor]));

type BoundGraph = readonly [inputs: readonly Port[], outputs: readonly Port[]];

/** A rule as a graph: values, gradient and numbers → the next values. */
function ruled(rule: Rule, count: { length: number; arrays: number; numbers: number }): BoundGraph {
  const shapes = Array.from({ length: count.arrays + 1 + count.numbers }, (_, i) =>
    i <= count.arrays ? [count.length] : [],
  );
  const { inputs, outputs } = trace(
    (values) => {
      const vectors = values.slice(0, count.arrays) as tf.Tensor1D[];
      const scalars = values.slice(count.arrays + 1) as tf.Scalar[];
      return [...rule(vectors, values[count.arrays] as tf.Tensor1D, scalars)];
    },
    shapes.map((shape, i) => ({ name: `value${i}`, shape, dtype: 'float32' })),
    portableOnDevice,
  );
  return [
    inputs.map((value, i) => ({ name: `value${i}`, value })),
    outputs.map((value, i) => ({ name: `next${i}`, value })),
  ];
}

/** A graph: twice as many vectors → the sums of each and the one that stands for it in the second half. */
function adding(vectors: readonly Vector[]): BoundGraph {
  const graph = new Graph(portableOnDevice);
  const inputs = [...vectors, ...vectors].map(({ length }, i) => ({
    name: `vector${i}`,
    value: graph.input(`vector${i}`, [length], 'float32'),
  }));
  const outputs = vectors.map((_, i) => ({
    name: `total${i}`,
    value: add(inputs[i].value, inputs[vectors.length + i].value),
  }));
  return [inputs, outputs];
}
