export { acrossProcesses } from './across-processes';
export { launched, threadsFor } from './launch';
export type { Launch } from './launch';
export { joinWorld, SilentError } from './world';
export type { JoinOptions, World } from './world';
