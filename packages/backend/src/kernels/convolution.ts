import * as tf from '@tensorflow/tfjs-core';

type ConvolutionInfo = ReturnType<typeof tf.backend_util.computeConv2DInfo>;

/** The attributes that all convolution kernels have. */
export interface ConvolutionAttributes {
  readonly strides: number | [number, number];
  readonly pad: Parameters<typeof tf.backend_util.computeConv2DInfo>[4];
  readonly dilations?: number | [number, number];
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
  readonly dataFormat?: 'NHWC' | 'NCHW';
}

/**
 * Sizes, strides and padding of a convolution of `inputShape` [n, h, w, in] by `filterShape`.
 * @throws RangeError if the output would be empty, which XNNPACK does not check before it writes.
 */
export function convolution(
  kernel: string,
  inputShape: [number, number, number, number],
  filterShape: [number, number, number, number],
  { strides, pad, dilations = 1, dimRoundingMode, dataFormat = 'NHWC' }: ConvolutionAttributes,
  depthwise = false,
): ConvolutionInfo {
  if (dataFormat !== 'NHWC') throw new RangeError(`${kernel}: the wasm backend has dataFormat NHWC only, got ${dataFormat}`);
  const info = tf.backend_util.computeConv2DInfo(inputShape, filterShape, strides, dilations, pad, dimRoundingMode, depthwise);
  if (info.outHeight < 1 || info.outWidth < 1) {
    const filter = `${info.effectiveFilterHeight}×${info.effectiveFilterWidth}`;
    throw new RangeError(`${kernel}: a filter that spans ${filter} pixels does not fit into an image of ${info.inHeight}×${info.inWidth}`);
  }
  return info;
}
