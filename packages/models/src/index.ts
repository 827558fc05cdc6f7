export { meaningFromJson, meaningToJson, parameterisations } from './meaning';
export type { DenoiserMeaning } from './meaning';
export { loadDenoiser } from './load-denoiser';
export type { Denoiser } from './load-denoiser';
export { compileNetwork } from './compile-network';
export type { CompiledNetwork } from './compile-network';
export { classNumber, labels } from './classes';
export { draw } from './draw';
export type { DrawOptions } from './draw';
