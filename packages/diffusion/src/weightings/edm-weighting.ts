import type { Parameterisation } from '../parameterisations/parameterisation';
import type { Weighting } from './weighting';

/**
 * EDM's (Karras et al. 2022, table 1): the squared error of x̂_0 counts λ(σ) = (σ² + σ_data²)/(σ·σ_data)² = SNR +
 * 1/σ_data², with σ = sigma/signal, stated for what the network predicts. For `edm` with the same σ_data that is 1: its
 * output has been scaled so.
 * @param options.sigmaData the standard deviation of the data, as `sigmaDataOf` measures it; 0.5 by default, as theirs
 */
export function edmWeighting({ errorScale }: Parameterisation, { sigmaData = 0.5 } = {}): Weighting {
  return (level) => ((level.signal / level.sigma) ** 2 + 1 / sigmaData ** 2) / errorScale(level);
}
