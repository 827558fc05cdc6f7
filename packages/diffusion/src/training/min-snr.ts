import type { NoiseSchedule } from '@ddpm/schedules';
import { signalToNoise } from '@ddpm/schedules';

/**
 * Min-SNR-γ weights (Hang et al. 2023, §3.4): the loss on x_0 weighted by min(SNR, γ), stated for what the network predicts: divided by SNR
 * for ε, and by SNR + 1 for v. One weight for each t.
 */
export function minSnrWeights(schedule: NoiseSchedule, objective: 'epsilon' | 'xStart' | 'velocity', gamma = 5): Float64Array {
  return signalToNoise(schedule).map((snr) => {
    const weight = Math.min(snr, gamma);
    if (objective === 'xStart') return weight;
    return weight / (objective === 'epsilon' ? snr : snr + 1);
  });
}
