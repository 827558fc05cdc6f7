import { signalToNoise } from '../levels/level';
import type { Parameterisation } from '../parameterisations/parameterisation';
import type { Weighting } from './weighting';

/**
 * Perception prioritized (Choi et al. 2022, eq. 8): the squared error of ε̂ counts 1/(k + SNR)^γ, so that little is
 * spent where hardly any noise is left; stated for what the network predicts.
 * @param options.k keeps the weight finite where the noise is strongest; 1 by default
 * @param options.gamma how much less counts; 0 is no weighting of ε, 1 by default
 */
export function p2({ errorScale }: Parameterisation, { k = 1, gamma = 1 } = {}): Weighting {
  return (level) => {
    const snr = signalToNoise(level);
    return snr / (k + snr) ** gamma / errorScale(level);
  };
}
