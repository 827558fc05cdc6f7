export { Random, sideBySide } from './random';
export type { NormalSource } from './random';
export type { Seed } from './seed';
