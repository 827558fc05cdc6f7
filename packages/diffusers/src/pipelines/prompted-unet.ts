import type { Unet2dCondition } from '@ddpm/adm';
import type { Condition, Network } from '@ddpm/diffusion';
import type { ClipText } from '@ddpm/text';
import * as tf from '@tensorflow/tfjs-core';

/** The U-Net of a Stable Diffusion with what reads captions for it, as one network, of which the U-Net alone is trained. */
export class PromptedUnet implements Network {
  readonly conditions = ['tokens'];
  readonly frozen = ['text'];

  constructor(
    readonly unet: Unet2dCondition,
    readonly text: ClipText,
  ) {}

  /**
   * x: [n, h, w, in_channels], t: [n], `tokens`: [n, length] int32 → [n, h, w, out_channels].
   * @throws RangeError if they are not of these shapes
   */
  apply(x: tf.Tensor4D, t: tf.Tensor1D, { tokens }: Condition = {}): tf.Tensor4D {
    return tf.tidy(() => this.unet.apply(x, t, { context: this.text.apply(tokens as tf.Tensor2D).sequence }));
  }
}
