import { createHash } from 'node:crypto';
import type { Compiled, DivisibleGradients, Execution, TensorFunction } from '@ddpm/execution';
import type { Arrays, Batch, Gradients } from '@ddpm/train';
import { count, part } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs-core';
import type { World } from './world';

/**
 * An execution whose batches all processes compute together: each its share of the examples, and all get the whole
 * result, to the bit that of one process. Every process makes the same calls, with the same values, in the same order.
 */
export function acrossProcesses(execution: Execution, world: World): Execution {
  const together: Execution = {
    ...execution,
    reason: `${execution.reason}; ${world.description} share each batch`,
    async gradients(task, example) {
      const gradients = await execution.gradients(task, example);
      if (!isDivisible(gradients))
        throw new Error(
          task.coupled
            ? 'processes cannot share a batch whose examples depend on each other'
            : `processes cannot share a batch that the backend ${execution.name} computes; take the backend compiled`,
        );
      const groups = gradients.groups(count(example));
      if (groups < world.size)
        throw new RangeError(
          `a batch of ${count(example)} examples is computed in ${groups} groups, too few for ${world.size} processes; take a larger batch, or fewer processes`,
        );
      const hash = createHash('sha256').update(gradients.model).digest('hex');
      await world.same({ 'the compiled network': hash.slice(0, 12) });
      const run = (parameters: Arrays, batch: Batch) =>
        inTurn(() => Promise.race([gradients.among(parameters, batch, world), world.stopped]));
      return Object.assign(run, { dispose: () => gradients.dispose() });
    },
    async losses(task, example) {
      const losses = await execution.losses(task, example);
      const whole = async (batch: Batch): Promise<Arrays> => {
        const n = count(batch);
        if (task.coupled || n < world.size) return losses(batch);
        const mine = await losses(part(batch, start(n, world.rank), start(n, world.rank + 1)));
        const all = new Map<string, Float32Array>();
        for (const [name, values] of mine) all.set(name, await world.gather(values, shares(n)));
        return all;
      };
      const run = (batch: Batch) => inTurn(() => whole(batch));
      return Object.assign(run, { dispose: () => losses.dispose() });
    },
    async compile(fn, examples, options) {
      const compiled = await execution.compile(fn, examples, options);
      return options?.coupled ? compiled : divided(compiled);
    },
  };

  /** The end of the last call: exchanges meet in the order in which they begin, which must be that of the calls. */
  let last: Promise<unknown> = Promise.resolve();
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = last.then(work);
    last = result.catch(() => {});
    return result;
  }

  const start = (n: number, rank: number) => Math.floor((rank * n) / world.size);
  const shares = (n: number) => Array.from({ length: world.size }, (_, rank) => start(n, rank + 1) - start(n, rank));

  function divided<F extends TensorFunction>(compiled: Compiled<F>): Compiled<F> {
    const call = compiled as unknown as (...inputs: tf.Tensor[]) => Promise<ReturnType<F>>;
    const run = (...inputs: tf.Tensor[]) => {
      const n = inputs[0]?.shape[0] ?? 0;
      const [from, to] = n < world.size ? [0, n] : [start(n, world.rank), start(n, world.rank + 1)];
      // Now, whatever happens to the inputs until it is their turn.
      const mine = inputs.map((input) => tf.tidy(() => tf.slice(input, [from], [to - from])));
      return inTurn(() => compute(n, mine)).finally(() => tf.dispose(mine));
    };
    const compute = async (n: number, mine: tf.Tensor[]) => {
      const result = await call(...mine);
      if (n < world.size) return result;
      const whole = async (rows: tf.Tensor) => {
        const data = await rows.data();
        const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
        const all = concatenated(await world.gatherBytes(bytes));
        rows.dispose();
        const values = rows.dtype === 'bool' ? all : new (data.constructor as Float32ArrayConstructor)(all.buffer);
        return tf.tensor(values, [n, ...rows.shape.slice(1)], rows.dtype);
      };
      return (await mapped(result, whole)) as ReturnType<F>;
    };
    return Object.assign(run as unknown as Compiled<F>, { dispose: () => compiled.dispose() });
  }
  return together;
}

const isDivisible = (gradients: Gradients): gradients is DivisibleGradients => 'among' in gradients;

/** A tensor, a list of them or a record, each made another, one after the other. */
async function mapped(
  tensors: tf.Tensor | tf.Tensor[] | Record<string, tf.Tensor>,
  make: (tensor: tf.Tensor) => Promise<tf.Tensor>,
): Promise<typeof tensors> {
  if (tensors instanceof tf.Tensor) return make(tensors);
  if (Array.isArray(tensors)) {
    const list: tf.Tensor[] = [];
    for (const tensor of tensors) list.push(await make(tensor));
    return list;
  }
  const record: Record<string, tf.Tensor> = {};
  for (const [name, tensor] of Object.entries(tensors)) record[name] = await make(tensor);
  return record;
}

function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const bytes of parts) {
    all.set(bytes, at);
    at += bytes.length;
  }
  return all;
}
