import { BackendError, prepareBackend } from '@ddpm/backend';
import * as tf from '@tensorflow/tfjs-core';
import { compiled } from './compiled';
import { eager } from './eager';
import type { Execution, ExecutionName } from './execution';

/**
 * Prepares what is asked for. `auto` takes tfjs-node-gpu where it is installed and sees a CUDA device, otherwise
 * compiled, otherwise the best eager backend. To train eagerly, import `@tensorflow/tfjs` once in the application,
 * which registers the gradients.
 * @param options.workers how many threads `compiled` may use; 'auto' is one for each processor
 * @throws Error in one line if one asked for by name is not there; it says how to get it
 */
export async function prepareExecution(
  name: ExecutionName = 'auto',
  { workers = 'auto' }: { workers?: 'auto' | number } = {},
): Promise<Execution> {
  tf.enableProdMode();
  if (name === 'compiled') return compiled('as asked', workers);
  if (name !== 'auto') return eager(named(await prepareBackend(name)));
  let why: string;
  try {
    return eager(named(await prepareBackend('tfjs-node-gpu')));
  } catch (error) {
    why = error instanceof BackendError ? error.reason : (error as Error).message;
  }
  try {
    return await compiled(why, workers);
  } catch (error) {
    const { name: picked, reason } = named(await prepareBackend('auto'));
    return eager({ name: picked, reason: `${reason}; compiled is not available: ${(error as Error).message}` });
  }
}

const named = ({ name, reason }: { readonly name: string; readonly reason: string }) => ({
  name: name as Execution['name'],
  reason,
});
