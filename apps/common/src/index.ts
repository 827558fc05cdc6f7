export { backendNames, prepareExecution } from './execution';
export type { Execution, ExecutionName, ImageShape } from './execution';
export { Interrupted, runMain, UsageError } from './main';
export { createProgress, formatRate, formatSeconds } from './progress';
export type { Progress } from './progress';
export { schedules } from './schedules';
export { aboveZero, kebab, number, oneOf, show, wholeNumber } from './settings';
