import type { AdmUnet } from '@ddpm/adm';
import type { DecoderOptions } from './decoder-unet';
import { decoderUnet } from './decoder-unet';
import type { GlideOptions } from './glide-unet';
import { glideUnet } from './glide-unet';

export { decoderUnet } from './decoder-unet';
export type { DecoderOptions } from './decoder-unet';
export { glideUnet, loadGlide } from './glide-unet';
export type { GlideOptions, GlideTextOptions } from './glide-unet';

/**
 * A network package's default export makes its network from options. `ddpm-train --task text-to-image` gives the images'
 * `channels`, the sizes of its vocabulary and of captions, and the `seed`; `--task decoder` gives the `features` of
 * CLIP's vectors instead of these sizes.
 */
export default function createNetwork({
  channels,
  ...options
}: (GlideOptions | DecoderOptions) & { channels?: number }): AdmUnet {
  const imageChannels = options.imageChannels ?? channels;
  return 'features' in options ? decoderUnet({ ...options, imageChannels }) : glideUnet({ ...options, imageChannels });
}
