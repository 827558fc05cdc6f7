export type { Cost } from './cost';
export { executionNames } from './execution';
export type { Compiled, CompileOptions, Execution, ExecutionName, TensorFunction } from './execution';
export { prepareExecution } from './prepare-execution';
