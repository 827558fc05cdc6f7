import * as tf from '@tensorflow/tfjs-core';
import type { ConvolutionAttributes } from '../kernels/convolution';
import { convolutionInfo } from '../kernels/convolution';
import { padOrCrop } from '../kernels/pad-or-crop';
import type { Margin } from './padding';
import { tensorFlowPadding } from './padding';
import type { Attribute, Kernel, KernelArguments, TensorFlowBackend } from './tensorflow-backend';

// tfjs-node refuses a number as padding in all of these, and margins in the gradients, though TensorFlow's own
// operations take them.

type Shape = [number, number, number, number];

/** A convolution of images of `shape` by filters of `filterShape`, in TensorFlow's terms. */
function convolution(shape: Shape, filterShape: Shape, attrs: KernelArguments['attrs'], depthwise: boolean) {
  const attributes = attrs as unknown as ConvolutionAttributes;
  const { dataFormat = 'NHWC' } = attributes;
  const last = dataFormat === 'NHWC';
  const info = convolutionInfo(depthwise ? 'depthwiseConv2d' : 'conv2d', shape, filterShape, attributes, depthwise);
  if (depthwise && info.strideHeight !== info.strideWidth) {
    throw new RangeError(
      `depthwiseConv2d: TensorFlow needs equal strides, got ${info.strideHeight} and ${info.strideWidth}`,
    );
  }
  const { padding: named, margins: around } = tensorFlowPadding(info);
  const overAxes = <T>(rest: T, height: T, width: T) =>
    last ? [rest, height, width, rest] : [rest, rest, height, width];
  const margins = overAxes<Margin>([0, 0], ...around);
  // Where TensorFlow has no word for the padding, it sees the image with its margins.
  const framed = named === undefined;
  const padding = named ?? 'VALID';
  return {
    dilated: info.dilationHeight > 1 || info.dilationWidth > 1,
    padding,
    margins,
    /** The shape of the image that TensorFlow sees. */
    seen: framed ? shape.map((length, axis) => length + margins[axis][0] + margins[axis][1]) : shape,
    /** The image that TensorFlow sees. */
    frame: (x: tf.Tensor) => (framed ? padOrCrop(x, margins) : x),
    /** The image's part of it. */
    unframe: (x: tf.Tensor) => (framed ? padOrCrop(x, opposite(margins)) : x),
    attributes: ({ binding }: TensorFlowBackend): Attribute[] => {
      const numbers = (name: string, value: number[]) => ({ name, type: binding.TF_ATTR_INT, value });
      const text = (name: string, value: string) => ({ name, type: binding.TF_ATTR_STRING, value });
      return [
        { name: 'T', type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT },
        numbers('strides', overAxes(1, info.strideHeight, info.strideWidth)),
        numbers('dilations', overAxes(1, info.dilationHeight, info.dilationWidth)),
        text('data_format', dataFormat),
        text('padding', padding),
        ...(padding === 'EXPLICIT' ? [numbers('explicit_paddings', margins.flat())] : []),
      ];
    },
  };
}

// tfjs itself refuses them for conv2d; for depthwiseConv2d TensorFlow gives other numbers, or ends the process.
const noDilatedGradients = 'depthwiseConv2d: TensorFlow has no gradients of dilated filters';

/** Takes margins away that were added, and adds those that were cut. */
export const opposite = (margins: readonly Margin[]): Margin[] => margins.map(([before, after]) => [-before, -after]);

/** x: [n, h, w, in], filter: [kh, kw, in, out], or [kh, kw, in, multiplier] depthwise → [n, h', w', out]. */
function forward(operation: string, depthwise: boolean): Kernel {
  return ({ inputs: { x, filter }, attrs, backend }) =>
    tf.tidy(() => {
      const { attributes, frame } = convolution(x.shape as Shape, filter.shape as Shape, attrs, depthwise);
      return backend.executeSingleOutput(operation, attributes(backend), [frame(x), filter]);
    });
}

/** The gradient in the filter. x: [n, h, w, in], dy: [n, h', w', out] → filterShape. */
function backpropFilter(operation: string, depthwise: boolean): Kernel {
  return ({ inputs: { x, dy }, attrs, backend }) =>
    tf.tidy(() => {
      const filterShape = attrs.filterShape as Shape;
      const { attributes, frame, dilated } = convolution(x.shape as Shape, filterShape, attrs, depthwise);
      if (dilated) throw new RangeError(noDilatedGradients);
      return backend.executeSingleOutput(operation, attributes(backend), [
        frame(x),
        tf.tensor1d(filterShape, 'int32'),
        dy,
      ]);
    });
}

/** The gradient in the input. dy: [n, h', w', out], filter: as above → inputShape. */
function backpropInput(operation: string, depthwise: boolean): Kernel {
  return ({ inputs: { dy, filter }, attrs, backend }) =>
    tf.tidy(() => {
      const { attributes, seen, unframe, dilated } = convolution(
        attrs.inputShape as Shape,
        filter.shape as Shape,
        attrs,
        depthwise,
      );
      if (dilated) throw new RangeError(noDilatedGradients);
      return unframe(
        backend.executeSingleOutput(operation, attributes(backend), [tf.tensor1d(seen, 'int32'), filter, dy]),
      );
    });
}

/** Kernels of TensorFlow's own names, in place of tfjs-node's. */
export const convolutions: Readonly<Record<string, Kernel>> = {
  Conv2D: forward('Conv2D', false),
  Conv2DBackpropFilter: backpropFilter('Conv2DBackpropFilter', false),
  Conv2DBackpropInput: backpropInput('Conv2DBackpropInput', false),
  DepthwiseConv2dNative: forward('DepthwiseConv2dNative', true),
  DepthwiseConv2dNativeBackpropFilter: backpropFilter('DepthwiseConv2dNativeBackpropFilter', true),
  DepthwiseConv2dNativeBackpropInput: backpropInput('DepthwiseConv2dNativeBackpropInput', true),
};

/** Convolution, bias and activation in one: tfjs-node's own takes margins, though no number. */
export function fusedConvolution(depthwise: boolean) {
  return (original: Kernel): Kernel =>
    (args) =>
      tf.tidy(() => {
        const { x, filter } = args.inputs;
        const { padding, margins, frame } = convolution(x.shape as Shape, filter.shape as Shape, args.attrs, depthwise);
        const pad = padding === 'EXPLICIT' ? margins : padding.toLowerCase();
        return original({
          ...args,
          inputs: { ...args.inputs, x: frame(x) },
          attrs: { ...args.attrs, pad, dimRoundingMode: undefined },
        });
      });
}
