import type * as tf from '@tensorflow/tfjs-core';

/** Images to smaller feature maps, latents, and back. Images are [n, h, w, imageChannels] in [−1, 1]. */
export interface Autoencoder {
  readonly imageChannels: number;
  /** Channels of the latents. */
  readonly latentChannels: number;
  /** How much smaller than the image the latents are, on a side. */
  readonly factor: number;
  /** A diffusion model is trained on (latents − shiftFactor) · scalingFactor; one over their standard deviation. */
  readonly scalingFactor: number;
  readonly shiftFactor: number;
  /**
   * [n, h, w, imageChannels] → [n, h/factor, w/factor, latentChannels]: of a KL autoencoder the mean, of a VQ
   * autoencoder what is quantised when it is decoded.
   * @throws RangeError unless the factor divides height and width.
   */
  encode(images: tf.Tensor4D): tf.Tensor4D;
  /** [n, h, w, latentChannels] → [n, factor·h, factor·w, imageChannels]. */
  decode(latents: tf.Tensor4D): tf.Tensor4D;
  /** Images reconstructed: decode(encode(images)). */
  apply(images: tf.Tensor4D): tf.Tensor4D;
}

/** @throws RangeError unless these are images, or latents, with so many channels, of sides that the factor divides. */
export function checkSides(who: string, what: string, x: tf.Tensor, channels: number, factor = 1): void {
  const [, h, w] = x.shape;
  if (x.rank !== 4 || x.shape[3] !== channels)
    throw new RangeError(`${who}: expected ${what} [n, h, w, ${channels}], got [${x.shape.join(', ')}]`);
  if (h % factor !== 0 || w % factor !== 0)
    throw new RangeError(`${who}: height and width must be multiples of ${factor}, got ${h}×${w}`);
}
