export { schedulerFromConfig } from './schedulers/scheduler-from-config';
export type { SchedulerRequest } from './schedulers/scheduler-from-config';
export type { Scheduler } from './schedulers/scheduler';
export { trainingFromConfig } from './pipelines/meaning';
