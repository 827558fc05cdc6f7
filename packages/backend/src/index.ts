export type { Absence } from './absence';
export type { BackendName, BackendOptions } from './backends';
export { BackendError, prepareBackend } from './prepare-backend';
export type { PreparedBackend } from './prepare-backend';
export { registerTensorFlowKernels } from './register-tensorflow-kernels';
export { registerWasmKernels } from './register-wasm-kernels';
