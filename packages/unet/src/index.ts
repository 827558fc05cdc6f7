import type { UnetOptions } from './unet';
import { Unet } from './unet';

export { Unet } from './unet';
export type { UnetOptions } from './unet';
export { loadTorchStateDict, toTorchStateDict, unetOptionsFromTorch, unetTorchName } from './torch';

/**
 * A network package's default export makes its network from options: `ddpm-train --network @ddpm/unet --network-options
 * '{"dim": 28}'`.
 */
export default (options: UnetOptions): Unet => new Unet(options);
