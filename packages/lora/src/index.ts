export { lora, loraParameters, mergeLora, updatable, withLora } from './lora';
export type { AppliedLora, Lora, LoraNetwork, LoraOptions, LoraUpdate } from './lora';
export { readLora, writeLora } from './file';
export type { LoraNames } from './file';
