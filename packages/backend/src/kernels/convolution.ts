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

/** Sizes, strides and padding of a convolution of `inputShape` [n, h, w, in] by `filterShape`. */
export function convolution(
  kernel: string,
  inputShape: [number, number, number, number],
  filterShape: [number, number, number, number],
  { strides, pad, dilations = 1, dimRoundingMode, dataFormat = 'NHWC' }: ConvolutionAttributes,
  depthwise = false,
): ConvolutionInfo {
  if (dataFormat !== 'NHWC') throw new RangeError(`${kernel}: the wasm backend has dataFormat NHWC only, got ${dataFormat}`);
  return tf.backend_util.computeConv2DInfo(inputShape, filterShape, strides, dilations, pad, dimRoundingMode, depthwise);
}
