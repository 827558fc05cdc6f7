import { BackendError, prepareBackend } from '@ddpm/backend';
import * as tf from '@tensorflow/tfjs-core';
import { compiled } from './compiled';
import { eager } from './eager';
import type { Gpu } from './device';
import { absenceOf, hasCard, secondsOn } from './device';
import type { Execution, ExecutionName } from './execution';

/**
 * Prepares what is asked for. `auto` takes tfjs-node-gpu where it is installed and sees a CUDA device; webgpu where
 * there is a graphics card that multiplies matrices faster than the processor; otherwise compiled, otherwise the best
 * eager backend. To train eagerly, import `@tensorflow/tfjs` once in the application,
 * which registers the gradients.
 * @param options.workers how many threads `compiled` may use; 'auto' is one for each processor
 * @throws Error in one line if one asked for by name is not there; it says how to get it
 */
export async function prepareExecution(
  name: ExecutionName = 'auto',
  { workers = 'auto' }: { workers?: 'auto' | number } = {},
): Promise<Execution> {
  tf.enableProdMode();
  if (name === 'compiled') return compiled('as asked', { workers });
  if (name === 'webgpu' || name === 'cuda') return onGpu(name);
  if (name !== 'auto') return eager(named(await prepareBackend(name)));
  let why: string;
  try {
    return eager(named(await prepareBackend('tfjs-node-gpu')));
  } catch (error) {
    why = error instanceof BackendError ? error.reason : (error as Error).message;
  }
  try {
    const faster = hasCard() ? await fasterGpu() : undefined;
    return await (faster === undefined ? compiled(why, { workers }) : compiled(faster, { device: 'webgpu' }));
  } catch (error) {
    const { name: picked, reason } = named(await prepareBackend('auto'));
    return eager({ name: picked, reason: `${reason}; compiled is not available: ${(error as Error).message}` });
  }
}

/** @throws Error in one line if the GPU cannot be used */
async function onGpu(device: Gpu): Promise<Execution> {
  await prepareBackend('cpu');
  const absence = await absenceOf(device);
  if (absence !== undefined) throw new Error(`Backend ${device} cannot start: ${absence}; choose the backend compiled`);
  return compiled('as asked', { device });
}

/** Why webgpu is to be taken; undefined where it cannot be, or is slower. */
async function fasterGpu(): Promise<string | undefined> {
  await prepareBackend('cpu');
  if ((await absenceOf('webgpu')) !== undefined) return undefined;
  const [gpu, processor] = [await secondsOn('webgpu'), await secondsOn('cpu')];
  return gpu < processor ? `${(processor / gpu).toFixed(1)} times as fast as the processor at a product` : undefined;
}

const named = ({ name, reason }: { readonly name: string; readonly reason: string }) => ({
  name: name as Execution['name'],
  reason,
});
