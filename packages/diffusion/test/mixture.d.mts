import type { Denoise, Level } from '../src/index';

export const bestDenoise: Denoise;
export function quantiles(level: Pick<Level, 'signal' | 'sigma'>, n: number): Float64Array;
export function transported(noise: ArrayLike<number>): Float64Array;
export function wasserstein(samples: ArrayLike<number>): number;
