import * as tf from '@tensorflow/tfjs-core';
import { importOptional, inNode } from './optional-package';
import { registerCpuKernels } from './register-cpu-kernels';
import { registerWasmKernels } from './register-wasm-kernels';
import type { WasmBackend } from './wasm-backend';
import { refuseWhenFull } from './wasm-memory';

/** What a backend needs to be told. */
export interface BackendOptions {
  /**
   * Where the `.wasm` files of @tensorflow/tfjs-backend-wasm are: the address of their folder, ending in `/`, or of each by its name.
   * Node finds them itself; a page must serve them.
   */
  readonly wasmPaths?: string | Readonly<Record<string, string>>;
}

interface Backend {
  /** Makes it tfjs's backend. Returns why that cannot be, as the end of a sentence that begins with its name and "is" or "are". */
  readonly start: (options: BackendOptions) => Promise<string | undefined>;
  /** How to get it, for who asked for it by name. */
  readonly advice: string;
}

/** TensorFlow's own library, through either of its packages; they name their tfjs backend alike. */
async function startTensorFlow(specifier: string): Promise<string | undefined> {
  if (!inNode) return 'only for Node';
  const why = await importOptional(specifier);
  if (why) return why;
  return (await tf.setBackend('tensorflow')) ? undefined : 'unable to start';
}

const nodeLimits = 'Version 4.22 loads on Node 20 to 22 only';

/** Every backend by its name, in the order in which `auto` prefers them; `webgpu` is only for who asks. */
export const backends = {
  'tfjs-node-gpu': {
    async start() {
      const why = await startTensorFlow('@tensorflow/tfjs-node-gpu');
      if (why) return why;
      return (tf.backend() as tf.KernelBackend & { isUsingGpuDevice: boolean }).isUsingGpuDevice
        ? undefined
        : 'unable to see a CUDA device';
    },
    advice: `npm install @tensorflow/tfjs-node-gpu. ${nodeLimits}, and needs an NVIDIA GPU with CUDA 11.2 and cuDNN 8.1 on Linux or Windows; its install script downloads TensorFlow, so it must be allowed to run`,
  },
  'tfjs-node': {
    start: () => startTensorFlow('@tensorflow/tfjs-node'),
    advice: `npm install @tensorflow/tfjs-node. ${nodeLimits}, and its install script downloads TensorFlow, so it must be allowed to run`,
  },
  webgpu: {
    async start() {
      if (!tf.findBackendFactory('webgpu')) {
        const why = await importOptional('@tensorflow/tfjs-backend-webgpu');
        if (why) return why;
      }
      return (await tf.setBackend('webgpu')) ? undefined : 'unable to start: there is no WebGPU device';
    },
    advice:
      'npm install @tensorflow/tfjs-backend-webgpu, import it in what you bundle, and run it in a browser or another runtime that has navigator.gpu',
  },
  wasm: {
    async start({ wasmPaths }) {
      const { setWasmPaths } = await import('@tensorflow/tfjs-backend-wasm');
      if (wasmPaths !== undefined) setWasmPaths(wasmPaths);
      if (!(await tf.setBackend('wasm'))) return 'unable to start: its .wasm files did not load';
      registerWasmKernels();
      refuseWhenFull(tf.backend() as WasmBackend);
      return undefined;
    },
    advice: 'tell prepareBackend where the .wasm files of @tensorflow/tfjs-backend-wasm are: { wasmPaths }',
  },
  cpu: {
    async start() {
      await import('@tensorflow/tfjs-backend-cpu');
      if (!(await tf.setBackend('cpu'))) return 'unable to start';
      registerCpuKernels();
      return undefined;
    },
    advice: 'it is plain JavaScript and runs everywhere',
  },
} satisfies Record<string, Backend>;

/**
 * A backend by its name. The README's table says what each is and what it needs.
 * @useDeclaredType
 */
export type BackendName = keyof typeof backends;
