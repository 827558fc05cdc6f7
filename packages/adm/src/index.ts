import type { AdmUnetOptions } from './adm-unet';
import { AdmUnet } from './adm-unet';

export { AdmUnet } from './adm-unet';
export type { AdmOptions, AdmUnetOptions } from './adm-unet';
export { QkvAttention } from './attention';
export { EmbeddingMlp } from './embedding';
export { ResBlock } from './res-block';
export type { Context } from './unet';
export { AdmClassifier } from './classifier';
export type { AdmClassifierOptions, Pooling } from './classifier';
export {
  admFromGuidedDiffusion,
  classifierFromGuidedDiffusion,
  guidedDiffusionNames,
  toGuidedDiffusion,
} from './guided-diffusion';
export type {
  GuidedDiffusionClassifierOptions,
  GuidedDiffusionOptions,
  GuidedDiffusionUnetOptions,
} from './guided-diffusion';
export { Unet2d } from './unet2d';
export { Unet2dCondition } from './unet2d-condition';
export { toUnet2d, unet2dConditionFromConfig, unet2dFromConfig, unet2dNames } from './unet2d-state';
export type { Unet2dConfig } from './unet2d-config';

/**
 * A network package's default export makes its network from options: `ddpm-train --network @ddpm/adm --network-options
 * '{"modelChannels": 32}'`. The trainer gives the images' `channels`, the `classes` and the `seed`.
 */
export default function createNetwork({
  channels,
  classes,
  ...options
}: AdmUnetOptions & { channels?: number; classes?: number }): AdmUnet {
  return new AdmUnet({
    ...options,
    imageChannels: options.imageChannels ?? channels,
    numClasses: options.numClasses ?? classes,
  });
}
