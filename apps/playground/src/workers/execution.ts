import { setRuntime } from '@ddpm/compile/web';
import type { Execution } from '@ddpm/execution';
import { prepareExecution } from '@ddpm/execution';

/** On ONNX Runtime, on so many threads. */
export function startExecution({ device, threads }: { device?: string; threads?: number }): Promise<Execution> {
  setRuntime({ device: device === 'webgpu' ? 'webgpu' : 'wasm', ...(threads && { threads }) });
  return prepareExecution('compiled');
}
