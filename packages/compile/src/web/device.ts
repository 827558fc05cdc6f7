import type { KeepingRunner, Runner } from '../run/device';
import type { Device } from '../run/ort';

/** In a page, `setRuntime` says what computes. */
export function onDevice(who: string, device: Device): Runner & Partial<KeepingRunner> {
  throw new RangeError(`${who}: in a page, choose the device by setRuntime, not as an option (got ${device})`);
}

/** Not asked for, since no device is. */
export const deviceMicroBatch = (): number => 1;
