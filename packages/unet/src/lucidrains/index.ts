import type { LucidrainsUnetOptions } from './unet';
import { LucidrainsUnet } from './unet';

export { LucidrainsUnet } from './unet';
export type { LucidrainsUnetOptions } from './unet';
export {
  isLucidrains,
  loadLucidrainsStateDict,
  lucidrainsOptionsFromTorch,
  lucidrainsTorchName,
  lucidrainsUnetOptions,
  toLucidrainsStateDict,
  unetFromLucidrains,
} from './torch';
export type { LucidrainsOptions } from './torch';

/**
 * A network package's default export makes its network from options: `ddpm-train --network @ddpm/unet/lucidrains
 * --network-options '{"dim": 32, "dimMults": [1, 2, 4]}'`.
 */
export default (options: LucidrainsUnetOptions): LucidrainsUnet => new LucidrainsUnet(options);
