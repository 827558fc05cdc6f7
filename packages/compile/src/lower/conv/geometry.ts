import * as tf from '@tensorflow/tfjs-core';
import type { Attributes, Shape } from '../../graph';

/** A convolution along one axis. */
export interface Axis {
  readonly size: number;
  readonly out: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  /** Zeros before the first element; those behind the last follow from the rest. */
  readonly before: number;
}

/** A 2-D convolution of [n, h, w, inChannels] to [n, h', w', outChannels]. */
export interface Geometry {
  readonly n: number;
  readonly height: Axis;
  readonly width: Axis;
  readonly inChannels: number;
  readonly outChannels: number;
}

export interface ConvAttrs {
  strides: [number, number] | number;
  pad: 'valid' | 'same' | number | tf.backend_util.ExplicitPadding;
  dilations?: [number, number] | number;
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
  dataFormat?: 'NHWC' | 'NCHW';
}

export function geometry(input: Shape, filter: Shape, attrs: ConvAttrs, depthwise = false): Geometry {
  const { strides, pad: padding, dilations = 1, dimRoundingMode } = attrs;
  type Shape4 = [number, number, number, number];
  const info = tf.backend_util.computeConv2DInfo(
    [...input] as Shape4,
    [...filter] as Shape4,
    strides,
    dilations,
    padding,
    dimRoundingMode,
    depthwise,
  );
  return {
    n: info.batchSize,
    height: {
      size: info.inHeight,
      out: info.outHeight,
      kernel: info.filterHeight,
      stride: info.strideHeight,
      dilation: info.dilationHeight,
      before: info.padInfo.top,
    },
    width: {
      size: info.inWidth,
      out: info.outWidth,
      kernel: info.filterWidth,
      stride: info.strideWidth,
      dilation: info.dilationWidth,
      before: info.padInfo.left,
    },
    inChannels: info.inChannels,
    outChannels: info.outChannels,
  };
}

export const unstrided = ({ height, width }: Geometry): boolean =>
  [height, width].every(({ stride, dilation }) => stride === 1 && dilation === 1);
export const pointwise = (g: Geometry): boolean =>
  [g.height, g.width].every(
    ({ kernel, stride, before, size, out }) => kernel === 1 && stride === 1 && before === 0 && size === out,
  );

/**
 * Zeros behind the last element, so that exactly `out` windows fit; negative where elements at the end are in no
 * window.
 */
export const after = ({ size, out, kernel, stride, dilation, before }: Axis): number =>
  (out - 1) * stride + (kernel - 1) * dilation + 1 - size - before;

/**
 * A geometry as attributes of ONNX's Conv. It has no negative padding: elements that no window reaches must have been
 * cut off.
 */
export const windowAttributes = (height: Axis, width: Axis): Attributes => ({
  kernel_shape: [height.kernel, width.kernel],
  strides: [height.stride, width.stride],
  dilations: [height.dilation, width.dilation],
  pads: [height.before, width.before, Math.max(0, after(height)), Math.max(0, after(width))],
});

/** The convolution of x with dy as the filter, which is dFilter: strides and dilations are exchanged. */
export const byOutput = ({ size, out, kernel, stride, dilation, before }: Axis): Axis => ({
  size,
  out: kernel,
  kernel: out,
  stride: dilation,
  dilation: stride,
  before,
});

/** The convolution that leads from dy back to dx, where the strides are 1: the same taps, turned around. */
export function backwards({ n, height, width, inChannels, outChannels }: Geometry): Geometry {
  const turn = ({ size, out, kernel, stride, dilation, before }: Axis): Axis => ({
    size: out,
    out: size,
    kernel,
    stride,
    dilation,
    before: kernel - 1 - before,
  });
  return { n, height: turn(height), width: turn(width), inChannels: outChannels, outChannels: inChannels };
}
