import type { Random } from '@ddpm/random';
import { Conv2d } from './conv2d';
import { ConvTranspose2d } from './conv-transpose2d';

/** Halves height and width: a convolution with kernel 4, stride 2, padding 1. Its `apply` takes x: [n, h, w, dim] → [n, ⌊h/2⌋, ⌊w/2⌋, dim]. */
export class Downsample extends Conv2d {
  constructor({ dim, rng }: { dim: number; rng: Random }) {
    super({ inChannels: dim, outChannels: dim, kernelSize: 4, stride: 2, padding: 1, rng });
  }
}

/** Doubles height and width: a transposed convolution with kernel 4, stride 2, padding 1. Its `apply` takes x: [n, h, w, dim] → [n, 2h, 2w, dim]. */
export class Upsample extends ConvTranspose2d {
  constructor({ dim, rng }: { dim: number; rng: Random }) {
    super({ inChannels: dim, outChannels: dim, kernelSize: 4, stride: 2, padding: 1, rng });
  }
}
