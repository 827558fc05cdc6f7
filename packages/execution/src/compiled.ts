import { prepareBackend } from '@ddpm/backend';
import type { Among, Device } from '@ddpm/compile';
import type { Arrays, Batch, Gradients, Task, Variables } from '@ddpm/train';
import { checkLosses, count, recorded, tensors } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs-core';
import type { Execution } from './execution';

/**
 * Execution by ONNX Runtime.
 * @param why what its `reason` says
 * @param options.workers how many threads may share micro-batches on the processor
 * @param options.device what computes
 * @throws Error in one line if it does not load
 */
export async function compiled(
  why: string,
  { workers = 'auto', device = 'cpu' }: { workers?: 'auto' | number; device?: Device } = {},
): Promise<Execution> {
  const { compile, compileGradients, measure } = await import('@ddpm/compile').catch((error: Error) => {
    throw new Error(
      `Backend compiled cannot start: ONNX Runtime does not load here (${error.message.split('\n', 1)[0]}); choose the backend wasm`,
    );
  });
  // What is not worth compiling, such as a sampler's arithmetic on images, runs in plain JavaScript.
  await prepareBackend('cpu');

  const compileFunction: Execution['compile'] = (fn, examples, { parameters, coupled = false } = {}) =>
    // In micro-batches, an example does not depend on how many others it is run with.
    compile(fn, examples, { parameters, device, ...(!coupled && { microBatch: 'auto', workers }) });

  return {
    name: device === 'cpu' ? 'compiled' : device,
    reason: `Backend: ${device === 'cpu' ? 'compiled, on ONNX Runtime' : `${device}, through ONNX Runtime`} (${why})`,
    async gradients({ loss, parameters, frozen, coupled }, example) {
      const [fn, examples] = positional(loss, example);
      try {
        const program = await compileGradients(fn, parameters, examples, {
          frozen,
          coupled,
          device,
          ...(!coupled && device === 'cpu' && { workers }),
        });
        const inputs = (batch: Batch) => Object.values(ordered(example, batch)).map(({ data }) => data);
        const run = async (values: Arrays, batch: Batch) => program.run(values, inputs(batch));
        const { groups, model, keep } = program;
        const divisible = groups && {
          ...{ groups, model },
          among: async (values: Arrays, batch: Batch, others: Among) => program.run(values, inputs(batch), others),
        };
        const keeping: Gradients['keep'] =
          keep &&
          (async (rule, arrays) => {
            const kept = await keep(rule, arrays);
            return { ...kept, gradients: async (batch) => kept.gradients(inputs(batch)) };
          });
        return Object.assign(run, divisible, { keep: keeping, dispose: () => program.dispose() });
      } finally {
        tf.dispose(examples);
      }
    },
    async losses({ loss, parameters, frozen, coupled }, example) {
      const [fn, examples] = positional(loss, example);
      try {
        const recordedTerms = (...values: tf.Tensor[]) => recorded(fn(...values));
        const program = await compileFunction(recordedTerms, examples, {
          parameters: joined(parameters, frozen),
          coupled,
        });
        const run = async (batch: Batch): Promise<Arrays> => {
          const inputs = Object.values(tensors(ordered(example, batch)));
          const results = await program(...inputs);
          const values = new Map<string, Float32Array>();
          for (const [name, term] of Object.entries(results)) values.set(name, await term.data<'float32'>());
          tf.dispose([inputs, Object.values(results)]);
          return values;
        };
        return Object.assign(run, { dispose: () => program.dispose() });
      } finally {
        tf.dispose(examples);
      }
    },
    compile: compileFunction,
    cost(fn, examples, { parameters = new Map<string, tf.Variable>() } = {}) {
      const { peakBytes, multiplyAdds } = measure(fn, parameters, examples);
      return Promise.resolve({ bytes: peakBytes, operations: 2 * multiplyAdds });
    },
  };
}

/** A task's loss as a function of tensors in the order of an example's fields, and the example as such tensors. */
function positional(loss: Task['loss'], example: Batch) {
  const inputs = tensors(example);
  const names = Object.keys(inputs);
  const fn = (...values: tf.Tensor[]) =>
    checkLosses(loss(Object.fromEntries(names.map((name, i) => [name, values[i]]))), values[0].shape[0]);
  return [fn, names.map((name) => inputs[name])] as const;
}

/**
 * A batch's fields in the order of the example's.
 * @throws RangeError unless it has those that were compiled, and no others
 */
function ordered(example: Batch, batch: Batch): Batch {
  count(batch);
  const other = Object.keys(batch).find((name) => !(name in example));
  if (other !== undefined) throw new RangeError(`execution: the example that was compiled has no ${other}`);
  return Object.fromEntries(
    Object.entries(example).map(([name, { item }]) => {
      if (batch[name]?.item.join() !== item.join())
        throw new RangeError(
          `execution: ${name} should be [${item.join(', ')}] of each example, ${name in batch ? `not [${batch[name].item.join(', ')}]` : 'and is missing'}`,
        );
      return [name, batch[name]];
    }),
  );
}

const joined = (...variables: readonly (Variables | undefined)[]): Variables =>
  new Map(variables.flatMap((some) => [...(some ?? [])]));
