import type { Arrays, Batch, Task } from '@ddpm/train';
import { checkLosses, count, eagerGradients, inParts, recorded, tensors } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs-core';
import { profiled } from './cost';
import type { Compiled, Execution, TensorFunction } from './execution';

/**
 * Examples at a time on the WASM backend: it can address 4 GB, which the tutorial's batch does not fit, and small parts
 * are as fast.
 */
const WASM_PART = 16;

/** Execution by the tfjs backend that is active. */
export function eager({ name, reason }: Pick<Execution, 'name' | 'reason'>): Execution {
  const disposable = <F extends (...inputs: never[]) => unknown>(
    fn: (...inputs: Parameters<F>) => Promise<ReturnType<F>>,
  ): Compiled<F> => Object.assign(fn, { dispose: () => Promise.resolve() });
  return {
    name,
    reason,
    gradients(task) {
      const whole = eagerGradients(task);
      return Promise.resolve(name === 'wasm' && !task.coupled ? inParts(whole, WASM_PART) : whole);
    },
    cost: (fn, examples) =>
      profiled(() => (fn as unknown as (...inputs: readonly tf.Tensor[]) => tf.TensorContainer)(...examples)),
    losses: (task) => Promise.resolve(disposable<(inputs: Batch) => Arrays>((batch) => lossesOf(task, batch))),
    compile: <F extends TensorFunction>(fn: F) =>
      Promise.resolve(
        disposable<F>((...inputs) =>
          Promise.resolve(
            tf.tidy(() => (fn as unknown as (...inputs: unknown[]) => tf.TensorContainer)(...inputs)) as ReturnType<F>,
          ),
        ),
      ),
  };
}

async function lossesOf({ loss }: Task, batch: Batch): Promise<Arrays> {
  const n = count(batch);
  const losses = tf.tidy(() => recorded(checkLosses(loss(tensors(batch)), n)));
  const values = new Map<string, Float32Array>();
  for (const [name, term] of Object.entries(losses)) values.set(name, await term.data<'float32'>());
  tf.dispose(Object.values(losses));
  return values;
}
