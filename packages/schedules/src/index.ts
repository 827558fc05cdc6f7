export { respace, scheduleFromBetas, signalToNoise } from './noise-schedule';
export type { NoiseSchedule } from './noise-schedule';
export { cosineSchedule } from './cosine';
export { linearSchedule, scaledLinearSchedule } from './linear';
export { quadraticSchedule } from './quadratic';
export { sigmoidSchedule } from './sigmoid';
