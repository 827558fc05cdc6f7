export { count, dtypeOf, part, tensors } from './batch';
export type { Batch, Inputs, Rows } from './batch';
export type { Arrays, Losses, State, Task, Values, Variables } from './task';

export { eagerGradients, checkLosses, recorded } from './gradients';
export type { Gradients, GradientsResult, Kept, KeptRule } from './gradients';
export { inParts } from './in-parts';

export { adam } from './adam';
export { sgd } from './sgd';
export { byRule } from './optimizer';
export type { Optimizer, OptimizerFor, UpdateRule } from './optimizer';
export { decays, learningRate } from './learning-rate';
export type { Decay } from './learning-rate';
export { ema } from './ema';
export type { Ema } from './ema';

export { learner } from './learner';
export type { Learner, LearnerOptions, Saved, StepResult } from './learner';
export { train } from './train';
export type { TrainOptions, TrainStep } from './train';
