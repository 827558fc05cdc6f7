export type { Among } from '@ddpm/compile';
export type { Cost } from './cost';
export { executionNames } from './execution';
export type {
  Compiled,
  CompileOptions,
  DivisibleGradients,
  Execution,
  ExecutionName,
  TensorFunction,
} from './execution';
export { prepareExecution } from './prepare-execution';
