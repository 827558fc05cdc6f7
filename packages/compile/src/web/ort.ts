import type * as OnnxRuntime from 'onnxruntime-web';
import type { InferenceSession, Tensor } from 'onnxruntime-web';
import type { SessionOptions } from '../run/ort';
import type { Runtime } from './runtime';

/** ONNX Runtime, once it is loaded. */
export let ort: typeof OnnxRuntime;
let device: NonNullable<Runtime['device']> = 'wasm';

/** Loads the build that runs on what is asked for: that for graphics processors is twice as large. */
export async function loadRuntime(runtime: Runtime, threads: number): Promise<void> {
  device = runtime.device ?? 'wasm';
  ort = device === 'webgpu' ? await import('onnxruntime-web/webgpu') : await import('onnxruntime-web/wasm');
  const { wasm } = ort.env;
  wasm.numThreads = device === 'webgpu' ? 1 : threads;
  if (runtime.wasmPaths !== undefined) wasm.wasmPaths = runtime.wasmPaths;
  if (runtime.wasmBinary !== undefined) wasm.wasmBinary = runtime.wasmBinary;
}

export function openSession(model: Uint8Array, { optimization }: SessionOptions): Promise<InferenceSession> {
  return ort.InferenceSession.create(model, {
    executionProviders: [device],
    graphOptimizationLevel: optimization,
    executionMode: 'sequential',
    enableMemPattern: false,
    // What goes wrong is thrown; it need not be printed as well.
    logSeverityLevel: 4,
  });
}

/** By the names of a model's inputs or outputs. */
export type Tensors = Readonly<Record<string, Tensor>>;

/** Runs a model, and copies its results out of WebAssembly's memory to where `fetches` says. */
export async function runInto(session: InferenceSession, feeds: Tensors, fetches: Tensors): Promise<void> {
  const results = await session.run(feeds, Object.keys(fetches));
  for (const [name, { data }] of Object.entries(fetches))
    (data as Float32Array).set(results[name].data as Float32Array);
}
