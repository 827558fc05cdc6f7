export { Random, sideBySide } from './random';
export type { NormalSource } from './random';
