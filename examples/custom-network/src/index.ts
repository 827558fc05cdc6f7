import type { DitOptions } from './dit';
import { Dit } from './dit';

export { Dit } from './dit';
export type { DitOptions } from './dit';

/** `ddpm-train --network dit-denoiser` calls this function, from options to a network. */
export default (options: DitOptions): Dit => new Dit(options);
