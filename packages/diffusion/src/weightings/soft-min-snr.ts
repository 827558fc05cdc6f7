import { signalToNoise } from '../levels/level';
import type { Parameterisation } from '../parameterisations/parameterisation';
import type { Weighting } from './weighting';

/**
 * Min-SNR-γ without its corner (Crowson et al. 2024, §4.4): the squared error of x̂_0 counts 1/(1/SNR + 1/γ), stated
 * for what the network predicts.
 * @param options.gamma what is approached where there is little noise; 5 by default, as for `minSnr`
 */
export function softMinSnr({ errorScale }: Parameterisation, { gamma = 5 } = {}): Weighting {
  return (level) => {
    const snr = signalToNoise(level);
    return (snr * gamma) / (snr + gamma) / errorScale(level);
  };
}
