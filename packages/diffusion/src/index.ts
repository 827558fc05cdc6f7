export type { AsyncNetworkFunction, Condition, Network, NetworkFunction } from './network';

export { clean, edmAt, flowAt, levelAt, qSample, signalToNoise, stack } from './levels/level';
export type { Level, Levels } from './levels/level';
export { trailing, trailingTimesteps } from './levels/trailing';
export type { DrawnLevel, LevelSource } from './levels/source';
export { uniform } from './levels/uniform';
export { stratified } from './levels/stratified';
export { importance } from './levels/importance';
export { logNormal } from './levels/log-normal';
export { uniformFlow } from './levels/uniform-flow';
export { logitNormal } from './levels/logit-normal';

export type { Parameterisation, Prediction } from './parameterisations/parameterisation';
export { checkLevel } from './parameterisations/parameterisation';
export { edm } from './parameterisations/edm';
export { epsilon } from './parameterisations/epsilon';
export { flow } from './parameterisations/flow';
export { image } from './parameterisations/image';
export { sigmaDataOf } from './parameterisations/sigma-data';
export { velocity } from './parameterisations/velocity';

export type { ElementLoss } from './losses/element-loss';
export { l1 } from './losses/l1';
export { l2 } from './losses/l2';
export { huber } from './losses/huber';
export { pseudoHuber } from './losses/pseudo-huber';
export type { Weighting } from './weightings/weighting';
export { minSnr } from './weightings/min-snr';
export { softMinSnr } from './weightings/soft-min-snr';
export { p2 } from './weightings/p2';
export { edmWeighting } from './weightings/edm-weighting';
export { denoising } from './denoising';
export type { DenoisingOptions } from './denoising';

export type { Denoise } from './denoise/denoise';
export { checkCondition, denoiser } from './denoise/denoiser';
export { clipped } from './denoise/clipped';

export { ancestral, qPosterior } from './sampling/ancestral';
export { ddim } from './sampling/ddim';
export { sample } from './sampling/sample';
export type { SampleOptions, SampleStep } from './sampling/sample';
export type { Evaluation, Sampler } from './sampling/sampler';
