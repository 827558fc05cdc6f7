export type { Network, NetworkFunction } from './network';
export { extract, noiseLevel } from './noise-level';
export type { NoiseLevel } from './noise-level';
export { epsilon, velocity, xStart } from './objective';
export type { Objective } from './objective';
export { qSample } from './q-sample';

export { adam } from './training/adam';
export type { Arrays, Optimizer } from './training/adam';
export type { TrainBatch, TrainEngine, TrainStepResult } from './training/engine';
export { eagerGradients } from './training/gradients';
export type { GradientFunction, LossFunction } from './training/gradients';
export { lossNames, pLosses, pLossesPerImage } from './training/losses';
export type { LossName, LossOptions } from './training/losses';
export { train } from './training/train';
export type { TrainOptions, TrainStep } from './training/train';
export { trainEngine } from './training/train-engine';
export type { TrainEngineOptions } from './training/train-engine';

export { ddpm, qPosteriorMean } from './sampling/ddpm';
export { pSample } from './sampling/p-sample';
export { sample } from './sampling/sample';
export type { AsyncNetworkFunction, SampleOptions, SampleStep } from './sampling/sample';
export type { Sampler, SamplerStep } from './sampling/sampler';
