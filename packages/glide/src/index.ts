import type { AdmUnet } from '@ddpm/adm';
import type { GlideOptions } from './glide-unet';
import { glideUnet } from './glide-unet';

export { decoderUnet } from './decoder-unet';
export type { DecoderOptions } from './decoder-unet';
export { glideUnet, loadGlide } from './glide-unet';
export type { GlideOptions, GlideTextOptions } from './glide-unet';

/**
 * A network package's default export makes its network from options; `ddpm-train --task text-to-image` gives the images'
 * `channels`, the sizes of its vocabulary and of captions, and the `seed`.
 */
export default function createNetwork({ channels, ...options }: GlideOptions & { channels?: number }): AdmUnet {
  return glideUnet({ ...options, imageChannels: options.imageChannels ?? channels });
}
