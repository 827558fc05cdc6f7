import type { Executor } from './executor';
import { createExecutor } from './executor';
import type { Pool } from './pool';
import type { Device } from './ort';
import { reasonOf } from './realm';
import type { WeightMemory } from './weights';

/** Workers or a device, which run programs on micro-batches. */
export type Runner = Pick<Pool, 'size' | 'open' | 'run' | 'close'>;

/** The end of the last run on a device: those of several sessions may not overlap there. */
let last: Promise<unknown> = Promise.resolve();

function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const result = last.then(work);
  last = result.catch(() => {});
  return result;
}

/**
 * Runs programs on a device, one after the other.
 * @param who the function that it works for, with whose name its errors begin
 */
export function onDevice(who: string, device: Exclude<Device, 'cpu'>, weights: WeightMemory): Runner {
  const executor: Executor = createExecutor(weights, { threads: 1, device });
  const named = (error: unknown): never => {
    throw new Error(`${who}: on the device ${device}: ${reasonOf(error)}`);
  };
  return {
    size: 0,
    open: (program) => inTurn(() => executor.open(program)).catch(named),
    run: (program, request) =>
      inTurn(async () => {
        await executor.open(program);
        const { sums, ...rest } = request();
        return { results: await executor.run({ ...rest, sums }), sums };
      }).catch(named),
    close: () => inTurn(() => executor.close()),
  };
}

/** Bytes of the largest intermediate result that a device's micro-batch aims for. */
const deviceBytes = 2 ** 26;

/** As many examples as bring the largest result to that, a power of two; 128 at most. */
export const deviceMicroBatch = (largest: number): number =>
  2 ** Math.max(0, Math.min(7, Math.floor(Math.log2(deviceBytes / largest))));
