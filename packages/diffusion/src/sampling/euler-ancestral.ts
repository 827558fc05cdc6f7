import type { Level } from '../levels/level';
import { ddim } from './ddim';
import type { Sampler } from './sampler';

/**
 * k-diffusion's Euler ancestral: a step of Euler's method to a lower σ, then noise up to the next level's. With y =
 * x/signal its σ_up is η times the deviation of q(x_s | x_t, x_0), and so it is `ddim` with that η, which is 1 here.
 */
export const eulerAncestral = (levels: readonly Level[], { eta = 1 } = {}): Sampler => ddim(levels, { eta });
