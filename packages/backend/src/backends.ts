import * as tf from '@tensorflow/tfjs-core';
import type { Absence } from './absence';
import { absenceFrom, cudaAdvice, importOptional, inNode, nodeVersion } from './absence';
import { registerCpuKernels } from './register-cpu-kernels';
import { registerTensorFlowKernels } from './register-tensorflow-kernels';
import { registerWasmKernels } from './register-wasm-kernels';
import type { TensorFlowBackend } from './tensorflow/tensorflow-backend';
import type { WasmBackend } from './wasm-backend';
import { refuseWhenFull } from './wasm-memory';

/** Options of a backend. */
export interface BackendOptions {
  /**
   * Where the `.wasm` files of @tensorflow/tfjs-backend-wasm are: the address of their folder, ending in `/`, or of
   * each by its name.
   * Node finds them itself; a page must serve them.
   */
  readonly wasmPaths?: string | Readonly<Record<string, string>>;
}

/** Makes it tfjs's backend. Returns why that cannot be. */
type Start = (options: BackendOptions) => Promise<Absence | undefined>;

/** TensorFlow's own library, through either of its packages; they name their tfjs backend alike. */
async function startTensorFlow(specifier: string, advice: string): Promise<Absence | undefined> {
  if (!inNode) return { why: 'only for Node', wayOut: 'In a browser there are webgpu, wasm and cpu' };
  const absence = await importOptional(specifier, advice);
  if (absence) return absence;
  if (!(await tf.setBackend('tensorflow'))) return { why: 'unable to start', wayOut: `To get it: ${advice}` };
  registerTensorFlowKernels();
  try {
    // On Node 23 and later it loads, but computes nothing.
    tf.tidy(() => tf.add(tf.scalar(1), tf.scalar(1)).dataSync());
  } catch (error) {
    return absenceFrom(specifier, advice, error as Error, nodeVersion);
  }
  return undefined;
}

const tensorFlowAdvice = (specifier: string) =>
  `npm install ${specifier}, whose version 4.22 needs Node 20 to 22 and an install script that downloads TensorFlow`;

/** Every backend by its name, in the order in which `auto` prefers them; `webgpu` is only for who asks. */
export const backends = {
  async 'tfjs-node-gpu'() {
    const specifier = '@tensorflow/tfjs-node-gpu';
    const absence = await startTensorFlow(specifier, `${tensorFlowAdvice(specifier)}. ${cudaAdvice}`);
    if (absence) return absence;
    if ((tf.backend() as TensorFlowBackend).isUsingGpuDevice) return undefined;
    return {
      why: 'unable to see a CUDA device',
      wayOut: `${cudaAdvice}; TensorFlow has printed which of them it did not find`,
    };
  },
  'tfjs-node': () => startTensorFlow('@tensorflow/tfjs-node', tensorFlowAdvice('@tensorflow/tfjs-node')),
  async webgpu() {
    const advice =
      'npm install @tensorflow/tfjs-backend-webgpu, import it in what you bundle, and run it in a browser or another runtime that has navigator.gpu';
    if (!tf.findBackendFactory('webgpu')) {
      const absence = await importOptional('@tensorflow/tfjs-backend-webgpu', advice);
      if (absence) return absence;
    }
    if (await tf.setBackend('webgpu')) return undefined;
    return { why: 'unable to start: there is no WebGPU device', wayOut: `To get it: ${advice}` };
  },
  async wasm({ wasmPaths }) {
    const { setWasmPaths } = await import('@tensorflow/tfjs-backend-wasm');
    if (wasmPaths !== undefined) setWasmPaths(wasmPaths);
    if (!(await tf.setBackend('wasm'))) {
      return {
        why: 'unable to start: its .wasm files did not load',
        wayOut: 'Tell prepareBackend where the .wasm files of @tensorflow/tfjs-backend-wasm are: { wasmPaths }',
      };
    }
    registerWasmKernels();
    refuseWhenFull(tf.backend() as WasmBackend);
    return undefined;
  },
  async cpu() {
    await import('@tensorflow/tfjs-backend-cpu');
    if (!(await tf.setBackend('cpu')))
      return { why: 'unable to start', wayOut: 'It is plain JavaScript and should run everywhere' };
    registerCpuKernels();
    return undefined;
  },
} satisfies Record<string, Start>;

/**
 * A backend by its name. The README's table says what each is and what it needs.
 * @useDeclaredType
 */
export type BackendName = keyof typeof backends;
