export { readSafetensors } from './read';
export type { Safetensors } from './read';
export { writeSafetensors } from './write';
export type { Dtype, StoredTensor, TensorData } from './format';
