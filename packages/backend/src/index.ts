export type { BackendName, BackendOptions } from './backends';
export { prepareBackend } from './prepare-backend';
export type { PreparedBackend } from './prepare-backend';
export { registerWasmKernels } from './register-wasm-kernels';
