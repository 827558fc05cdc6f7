import type { AsyncNetworkFunction, Network } from '@ddpm/diffusion';
import { checkCondition } from '@ddpm/diffusion';
import type { Cost, Execution } from '@ddpm/execution';
import type { Batch, Variables } from '@ddpm/train';
import { dtypeOf } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs-core';

/** A network that runs elsewhere, and can be freed. */
export interface CompiledNetwork extends AsyncNetworkFunction {
  /** The memory and work that an image needs. */
  cost(): Promise<Cost>;
  /** Frees what runs it. */
  dispose(): Promise<void>;
}

/**
 * A network as a function that is executed: compiled, or eagerly. It works with the values that its parameters have
 * when it is called, or, where they are `fixed`, for good with those that they have now, which ONNX Runtime multiplies
 * by a little faster.
 * @param options.image the shape of its images
 * @param options.condition examples of what else it is given; their values do not matter
 * @param options.coupled whether all images go through one graph, with one copy of the weights, for large networks
 * @throws RangeError if the condition is not what the network takes
 */
export async function compileNetwork(
  execution: Execution,
  network: Network,
  {
    parameters,
    image,
    condition = {},
    fixed = false,
    coupled = false,
  }: {
    parameters: Variables;
    image: readonly [h: number, w: number, c: number];
    condition?: Batch;
    fixed?: boolean;
    coupled?: boolean;
  },
): Promise<CompiledNetwork> {
  checkCondition('compileNetwork', network, condition);
  const names = network.conditions ?? [];
  const fn = (x: tf.Tensor4D, told: tf.Tensor1D, ...values: tf.Tensor[]) =>
    network.apply(
      x,
      told,
      names.length > 0 ? Object.fromEntries(names.map((name, i) => [name, values[i]])) : undefined,
    );
  const withExamples = async <T>(use: (examples: tf.Tensor[]) => Promise<T>): Promise<T> => {
    const given = names.map((name) => ({ item: condition[name].item, dtype: dtypeOf(condition[name]) }));
    const examples = [
      tf.zeros([1, ...image]),
      tf.zeros([1]),
      ...given.map(({ item, dtype }) => tf.zeros([1, ...item], dtype)),
    ];
    try {
      return await use(examples);
    } finally {
      tf.dispose(examples);
    }
  };
  const compiled = await withExamples((examples) =>
    execution.compile(fn, examples, { ...(!fixed && { parameters }), coupled }),
  );
  const run: AsyncNetworkFunction = async (x, told, given = {}) => {
    checkCondition('compileNetwork', network, given);
    return compiled(x, told, ...names.map((name) => given[name]));
  };
  return Object.assign(run, {
    cost: () => withExamples((examples) => execution.cost(fn, examples, { parameters })),
    dispose: () => compiled.dispose(),
  });
}
