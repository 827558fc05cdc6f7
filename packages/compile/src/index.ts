export { compile } from './compile';
export type { CompiledFunction, CompileOptions, TensorResult } from './compile';
export { compileGradients } from './gradients';
export type { CompiledGradients, CompileGradientsOptions, Gradients } from './gradients';
export type { LossResult } from './trace-loss';
export { exportOnnx } from './export';
export type { ExportOptions } from './export';
export { measure } from './measure';
export type { Measure } from './measure';
