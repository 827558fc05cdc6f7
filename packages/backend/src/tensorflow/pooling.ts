import * as tf from '@tensorflow/tfjs-core';
import { padOrCrop } from '../kernels/pad-or-crop';
import { opposite } from './convolutions';
import type { Margin, Placement } from './padding';
import { tensorFlowPadding } from './padding';
import type { Kernel, KernelArguments } from './tensorflow-backend';

// tfjs-node pools with 'same' and 'valid' alone. Whatever else is asked for is 'valid' on an image with margins: −∞ for
// the greatest, zeros for the mean, which is then taken over the pixels of the image alone, as tfjs does.

type Shape = [number, number, number, number];

interface Attributes {
  readonly filterSize: number | [number, number];
  readonly strides: number | [number, number];
  readonly pad: 'same' | 'valid' | number | tf.backend_util.ExplicitPadding;
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

type Pool = Placement & Pick<tf.backend_util.Conv2DInfo, 'outShape'>;

function poolOf(shape: Shape, attrs: KernelArguments['attrs']): Pool {
  const { filterSize, strides, pad, dimRoundingMode } = attrs as unknown as Attributes;
  return tf.backend_util.computePool2DInfo(shape, filterSize, strides, 1, pad, dimRoundingMode);
}

/** Lets tfjs-node's own kernel do what it can, and the other do the rest. */
function unlessItCan(
  pooled: (inputs: KernelArguments['inputs']) => tf.Tensor,
  other: (original: Kernel, pool: Pool) => Kernel,
) {
  return (original: Kernel): Kernel =>
    (args) => {
      const pool = poolOf(pooled(args.inputs).shape as Shape, args.attrs);
      const { padding } = tensorFlowPadding(pool);
      const attrs = { ...args.attrs, pad: padding === 'SAME' ? 'same' : 'valid', dimRoundingMode: undefined };
      if (padding === 'SAME' || padding === 'VALID') return original({ ...args, attrs });
      return tf.tidy(() => other(original, pool)({ ...args, attrs }));
    };
}

/** The image with what 'valid' needs around it, and a gradient without. */
function frame(pool: Pool) {
  const [height, width] = tensorFlowPadding(pool).margins;
  const margins: Margin[] = [[0, 0], height, width, [0, 0]];
  return {
    add: (x: tf.Tensor, value = 0) => padOrCrop(x, margins, value),
    remove: (dx: tf.Tensor) => padOrCrop(dx, opposite(margins)),
  };
}

/**
 * By what the mean over a window with its zeros must be multiplied to be the mean over the pixels within it: [1, h',
 * w', 1].
 */
function overPixels(pool: Pool): tf.Tensor4D {
  const share = (outSize: number, stride: number, reach: number, before: number, inSize: number) =>
    tf.tensor1d(
      Array.from({ length: outSize }, (_, i) => {
        const start = i * stride - before;
        return reach / (Math.min(start + reach, inSize) - Math.max(start, 0));
      }),
    );
  const down = share(pool.outHeight, pool.strideHeight, pool.effectiveFilterHeight, pool.padInfo.top, pool.inHeight);
  const across = share(pool.outWidth, pool.strideWidth, pool.effectiveFilterWidth, pool.padInfo.left, pool.inWidth);
  return tf.reshape(tf.outerProduct(down, across), [1, pool.outHeight, pool.outWidth, 1]);
}

/**
 * By name, what makes each kernel from tfjs-node's own. The gradient of AvgPool is that of @ddpm/gradients, which asks
 * it for 'valid' alone.
 */
export const pooling: Readonly<Record<string, (original: Kernel) => Kernel>> = {
  MaxPool: unlessItCan(
    ({ x }) => x,
    (original, pool) => (args) => {
      const x = frame(pool).add(args.inputs.x, -Infinity);
      return original({ ...args, inputs: { x } });
    },
  ),
  MaxPoolGrad: unlessItCan(
    ({ input }) => input,
    (original, pool) => (args) => {
      const { add, remove } = frame(pool);
      const input = add(args.inputs.input, -Infinity);
      return remove(original({ ...args, inputs: { ...args.inputs, input } }));
    },
  ),
  AvgPool: unlessItCan(
    ({ x }) => x,
    (original, pool) => (args) => {
      const x = frame(pool).add(args.inputs.x);
      return tf.mul(original({ ...args, inputs: { x } }), overPixels(pool));
    },
  ),
};
