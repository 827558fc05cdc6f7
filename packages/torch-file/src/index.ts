export { isTorchFile, readTorchFile } from './torch-file';
export { stateDict } from './state-dict';
export type { StateDict } from './state-dict';
export type { TorchTensor } from './tensor';
export type { Bytes } from './bytes';
