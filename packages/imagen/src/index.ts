import type { AdmUnet } from '@ddpm/adm';
import type { EfficientUnetOptions } from './efficient-unet';
import { EfficientUnet } from './efficient-unet';
import type { ImagenOptions } from './imagen-unet';
import { imagenUnet } from './imagen-unet';

export { EfficientUnet } from './efficient-unet';
export type { EfficientUnetOptions } from './efficient-unet';
export { imagenUnet } from './imagen-unet';
export type { ImagenOptions } from './imagen-unet';

/**
 * A network package's default export makes its network from options: Imagen's U-Net, where the text encoder's
 * `textFeatures` are given, as `ddpm-train --task text-to-image --text-encoder` does, or its efficient U-Net, for `--task
 * super-resolution`. Both are given the images' `channels` and the `seed`.
 */
export default function createNetwork({
  channels,
  ...options
}: (ImagenOptions | EfficientUnetOptions) & { channels?: number }): AdmUnet | EfficientUnet {
  const imageChannels = options.imageChannels ?? channels;
  return 'textFeatures' in options
    ? imagenUnet({ ...options, imageChannels })
    : new EfficientUnet({ ...options, imageChannels });
}
