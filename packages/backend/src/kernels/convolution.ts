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

type Shape = [number, number, number, number];

/**
 * Sizes, strides and padding of a convolution of `inputShape` [n, h, w, in] by `filterShape`, for the wasm backend.
 * @throws RangeError if the output would be empty, or for another dataFormat.
 */
export function convolution(
  kernel: string,
  inputShape: Shape,
  filterShape: Shape,
  attributes: ConvolutionAttributes,
  depthwise = false,
) {
  const { dataFormat = 'NHWC' } = attributes;
  if (dataFormat !== 'NHWC')
    throw new RangeError(`${kernel}: the wasm backend has dataFormat NHWC only, got ${dataFormat}`);
  return convolutionInfo(kernel, inputShape, filterShape, attributes, depthwise);
}

/**
 * Sizes, strides and padding of a convolution.
 * @throws RangeError if the output would be empty, which neither XNNPACK nor TensorFlow checks before it reads and
 * writes.
 */
export function convolutionInfo(
  kernel: string,
  inputShape: Shape,
  filterShape: Shape,
  { strides, pad, dilations = 1, dimRoundingMode, dataFormat = 'NHWC' }: ConvolutionAttributes,
  depthwise: boolean,
): ConvolutionInfo {
  const format = tf.backend_util.convertConv2DDataFormat(dataFormat);
  const info = tf.backend_util.computeConv2DInfo(
    inputShape,
    filterShape,
    strides,
    dilations,
    pad,
    dimRoundingMode,
    depthwise,
    format,
  );
  if (info.outHeight < 1 || info.outWidth < 1) {
    const filter = `${info.effectiveFilterHeight}×${info.effectiveFilterWidth}`;
    throw new RangeError(
      `${kernel}: a filter that spans ${filter} pixels does not fit into an image of ${info.inHeight}×${info.inWidth}`,
    );
  }
  return info;
}
