import type { clean, Denoise, Level, LevelScale, sample, Sampler } from '../src/index';

export const bestDenoise: Denoise;
export function quantiles(level: Pick<Level, 'signal' | 'sigma'>, n: number): Float64Array;
export function normalQuantiles(n: number): Float32Array;
export function transported(noise: ArrayLike<number>): Float64Array;
export function wasserstein(samples: ArrayLike<number>): number;
export function errorAfter(
  diffusion: { sample: typeof sample; clean: typeof clean },
  scale: LevelScale,
  of: (levels: readonly Level[]) => Sampler,
  steps: number,
): Promise<number>;
