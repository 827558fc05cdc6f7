import * as tf from '@tensorflow/tfjs-core';

/** Anything that maps feature maps to feature maps. */
export interface Layer {
  /** x: [n, h, w, c] → [n, h', w', c']. */
  apply(x: tf.Tensor4D): tf.Tensor4D;
}

/** fn(x) + x. */
export class Residual<Fn extends Layer = Layer> {
  readonly fn: Fn;

  constructor({ fn }: { fn: Fn }) {
    this.fn = fn;
  }

  /** x: [n, h, w, c] → [n, h, w, c]: `fn` must keep the shape. */
  apply(x: tf.Tensor4D): tf.Tensor4D {
    return tf.tidy(() => tf.add(this.fn.apply(x), x));
  }
}
