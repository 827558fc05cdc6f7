/** Which build of ONNX Runtime a page loads, from where, and what it runs on. */
export interface Runtime {
  /**
   * 'wasm', the default, runs on the processor: WebAssembly with SIMD. 'webgpu' runs on the graphics processor, where
   * `navigator.gpu.requestAdapter()` gives one; on one thread, since sessions share the device.
   */
  readonly device?: 'wasm' | 'webgpu';
  /** The meaning of 'auto' in `threads` and `workers`; the number of processors by default. */
  readonly threads?: number;
  /**
   * Where ONNX Runtime's files are, if not where the bundler has put them: a folder's address, or each file's, as
   * `env.wasm.wasmPaths` of onnxruntime-web.
   */
  readonly wasmPaths?: string | { readonly wasm?: string; readonly mjs?: string };
  /** The WebAssembly itself, instead of its address. */
  readonly wasmBinary?: ArrayBuffer | Uint8Array;
}

let current: Runtime = {};

/** Chooses what runs all that is compiled afterwards. */
export function setRuntime(runtime: Runtime): void {
  const { device } = runtime;
  if (device !== undefined && device !== 'wasm' && device !== 'webgpu')
    throw new RangeError(`setRuntime: device must be 'wasm' or 'webgpu', got ${String(device)}`);
  current = { ...runtime };
}

export const currentRuntime = (): Runtime => current;
