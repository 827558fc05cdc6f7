import type { Parameterisation } from '@ddpm/diffusion';
import { epsilon, image, velocity } from '@ddpm/diffusion';
import type { NoiseSchedule } from '@ddpm/schedules';
import { scheduleFromBetas } from '@ddpm/schedules';
import type { TorchTensor } from '@ddpm/torch-file';

/** How the loss counts at a signal-to-noise ratio below `min_snr_gamma`, by what the network predicts. */
const weights: readonly (readonly [Parameterisation, (snr: number) => number])[] = [
  [epsilon, () => 1],
  [image, (snr) => snr],
  [velocity, (snr) => snr / (snr + 1)],
];

/**
 * The schedule of a whole diffusion process of denoising-diffusion-pytorch, by its `betas`, and what its network
 * predicts, which `loss_weight` tells; without that, ε.
 * @param saved the tensors that lay beside the network
 * @throws Error if the loss is weighted as for nothing that is known
 */
export function diffusionProcess(saved: ReadonlyMap<string, TorchTensor>): {
  readonly schedule: NoiseSchedule;
  readonly parameterisation: Parameterisation;
} {
  const numbers = (name: string) => saved.get(name) && Float64Array.from(saved.get(name)!.data, Number);
  const schedule = scheduleFromBetas(numbers('betas')!);
  const lossWeight = numbers('loss_weight');
  if (!lossWeight) return { schedule, parameterisation: epsilon };
  const ratios = schedule.alphasCumprod.map((alpha) => alpha / (1 - alpha));
  // Where the three are furthest apart.
  const t = ratios.reduce((best, snr, i) => (Math.abs(snr - 0.5) < Math.abs(ratios[best] - 0.5) ? i : best), 0);
  const found = weights.find(([, weight]) => Math.abs(lossWeight[t] / weight(ratios[t]) - 1) < 0.01);
  if (!found)
    throw new Error(
      `its loss_weight is ${lossWeight[t]} where the signal-to-noise ratio is ${ratios[t].toPrecision(3)}, which is that of neither pred_noise, pred_x0 nor pred_v`,
    );
  return { schedule, parameterisation: found[0] };
}
