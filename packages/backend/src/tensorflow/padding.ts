import type * as tf from '@tensorflow/tfjs-core';

/** Where filters lie on an image, as tfjs computes it. */
export type Placement = Pick<
  tf.backend_util.Conv2DInfo,
  | 'inHeight'
  | 'inWidth'
  | 'outHeight'
  | 'outWidth'
  | 'strideHeight'
  | 'strideWidth'
  | 'effectiveFilterHeight'
  | 'effectiveFilterWidth'
  | 'padInfo'
>;

/** Where filters lie on an image, in TensorFlow's terms. */
export interface TensorFlowPadding {
  /** TensorFlow's name for it; none where pixels at the end must not be read, for which it has no word. */
  readonly padding: 'SAME' | 'VALID' | 'EXPLICIT' | undefined;
  /**
   * Zeros before and after height and width, which 'EXPLICIT' has to be told; with them around the image, it is
   * 'VALID'. Below 0, pixels to cut.
   */
  readonly margins: readonly [height: Margin, width: Margin];
}

export type Margin = readonly [before: number, after: number];

/**
 * The padding of TensorFlow that puts filters where tfjs puts them: 'VALID' or 'SAME' where that is the same, since
 * 'SAME' is less work than its numbers, otherwise 'EXPLICIT' with just the zeros that are read.
 */
export function tensorFlowPadding(info: Placement): TensorFlowPadding {
  const height = axis(info.inHeight, info.outHeight, info.strideHeight, info.effectiveFilterHeight, info.padInfo.top);
  const width = axis(info.inWidth, info.outWidth, info.strideWidth, info.effectiveFilterWidth, info.padInfo.left);
  const both = (holds: (side: typeof height) => boolean) => holds(height) && holds(width);
  const named = both(({ margin: [before, after] }) => before === 0 && after === 0)
    ? 'VALID'
    : both(({ same }) => same)
      ? 'SAME'
      : 'EXPLICIT';
  return {
    padding: both(({ margin: [, after] }) => after >= 0) ? named : undefined,
    margins: [height.margin, width.margin],
  };
}

/** @param reach pixels from a filter's first to its last; @param before zeros before the image */
function axis(inSize: number, outSize: number, stride: number, reach: number, before: number) {
  // How far the last filter reaches beyond the image. Where it ends within, by less than a stride, no further filter
  // fits.
  const beyond = (outSize - 1) * stride + reach - before - inSize;
  const after = beyond < 0 && beyond > -stride ? 0 : beyond;
  // TensorFlow's definition of 'SAME': ⌈in/stride⌉ outputs, and the odd zero at the end.
  const sameSize = Math.ceil(inSize / stride);
  const sameZeros = Math.max((sameSize - 1) * stride + reach - inSize, 0);
  return { margin: [before, after] as Margin, same: outSize === sameSize && before === Math.floor(sameZeros / 2) };
}
