export { readSafetensors } from './read';
export type { Safetensors } from './read';
export { writeSafetensors } from './write';
export { dtypes } from './format';
export { otherFormat } from './other-formats';
export type { Dtype, ElementType, StoredTensor, TensorData } from './format';
