import { signalToNoise } from '../levels/level';
import type { Parameterisation } from '../parameterisations/parameterisation';
import type { Weighting } from './weighting';

/**
 * Min-SNR-γ (Hang et al. 2023, §3.4): the squared error of x̂_0 counts min(SNR, γ), stated for what the network
 * predicts: divided by SNR for ε, and by SNR + 1 for v.
 */
export function minSnr({ errorScale }: Parameterisation, { gamma = 5 } = {}): Weighting {
  return (level) => Math.min(signalToNoise(level), gamma) / errorScale(level);
}
