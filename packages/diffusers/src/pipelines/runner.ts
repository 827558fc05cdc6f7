import { disposeParameters, namedParameters } from '@ddpm/layers';
import * as tf from '@tensorflow/tfjs-core';

/** A compiler of functions of tensors: an `Execution` of @ddpm/execution is one. */
export interface Compiler {
  /**
   * The function as an asynchronous one, which reads these variables when it is called.
   * @typeParam F the function
   */
  compile<F extends (...inputs: never[]) => tf.Tensor>(
    fn: F,
    examples: readonly tf.Tensor[],
    options: { readonly parameters: ReadonlyMap<string, tf.Variable>; readonly coupled: boolean },
  ): Promise<
    ((...inputs: Parameters<F>) => Promise<ReturnType<F>>) & {
      /** Frees what runs it. */
      dispose(): Promise<void>;
    }
  >;
}

/** A network's function, wherever it runs. It is compiled when it is first called, and its result is the caller's. */
export interface Runner<Inputs extends tf.Tensor[], Result extends tf.Tensor> {
  readonly run: (...inputs: Inputs) => Promise<Result>;
  readonly dispose: () => Promise<void>;
}

/** @param network whose variables the function reads */
export function runner<Inputs extends tf.Tensor[], Result extends tf.Tensor>(
  network: object,
  fn: (...inputs: Inputs) => Result,
  compiler?: Compiler,
): Runner<Inputs, Result> {
  type Compiled = Awaited<ReturnType<Compiler['compile']>>;
  let compiled: Promise<Compiled> | undefined;
  return {
    async run(...inputs) {
      if (!compiler) return tf.tidy(() => fn(...inputs));
      // In one graph, so that there is one copy of the weights.
      const options = { parameters: namedParameters(network), coupled: true };
      compiled ??= compiler.compile(fn as unknown as (...inputs: never[]) => tf.Tensor, inputs, options);
      return (await (
        await compiled
      )(...(inputs as unknown as never[]))) as Result;
    },
    async dispose() {
      const running = await compiled?.catch(() => undefined);
      await running?.dispose();
    },
  };
}

/** Frees networks' weights. */
export const disposeAll = (...networks: readonly (object | undefined)[]): void => {
  for (const network of networks) if (network) disposeParameters(network);
};
