import * as tf from '@tensorflow/tfjs-core';
import type { KernelArguments } from '../wasm-backend';
import type { ConvolutionAttributes } from './convolution';
import { convolution } from './convolution';
import { padOrCrop } from './pad-or-crop';

type Info = ReturnType<typeof convolution>;

/**
 * Corrects a convolution kernel of the backend. It allocates an output of the size that tfjs defines and lets XNNPACK
 * fill one of the size that XNNPACK derives from the padding; with `dimRoundingMode` 'ceil' or 'round', and where tfjs
 * applies the height's rule to the width (a number as `pad` with unequal strides or filter sides), these differ, and
 * memory is left unset or overwritten. Here the input is then padded by just what the output needs.
 */
export function exactPadding(depthwise: boolean) {
  return (original: tf.KernelFunc) =>
    (args: KernelArguments): tf.TensorInfo => {
      const call = (changed: Partial<KernelArguments>) =>
        original({ ...args, ...changed } as unknown as Parameters<tf.KernelFunc>[0]) as tf.TensorInfo;
      const x = args.inputs.x as tf.Tensor4D;
      const filter = args.inputs.filter as tf.Tensor4D;
      const attributes = args.attrs as unknown as ConvolutionAttributes;
      const info = convolution(depthwise ? 'depthwiseConv2d' : 'conv2d', x.shape, filter.shape, attributes, depthwise);
      const margins = exactMargins(info);
      if (margins === 'as stated') {
        // XNNPACK's own reading of 'same' is wrong where a stride exceeds the filter.
        const { top, bottom, left, right } = info.padInfo;
        const pad = [[0, 0], [top, bottom], [left, right], [0, 0]]; // prettier-ignore
        return call(info.padInfo.type === 'SAME' ? { attrs: { ...args.attrs, pad, dimRoundingMode: 'floor' } } : {});
      }
      return tf.tidy(() => {
        const padded = padOrCrop(x, [[0, 0], ...margins, [0, 0]]);
        // A kernel may return an input as it is, so the result is a tensor of its own.
        const out = call({
          inputs: { ...args.inputs, x: padded },
          attrs: { ...args.attrs, pad: 'valid', dimRoundingMode: undefined },
        });
        return tf.engine().makeTensorFromTensorInfo(out);
      });
    };
}

/**
 * The margins before and after the image for an output of the size that tfjs defines, unless that is what the
 * padding gives.
 */
function exactMargins(info: Info): 'as stated' | [[number, number], [number, number]] {
  const { top, bottom, left, right } = info.padInfo;
  const after = (outSize: number, stride: number, reach: number, before: number, inSize: number) =>
    (outSize - 1) * stride + reach - before - inSize;
  const down = after(info.outHeight, info.strideHeight, info.effectiveFilterHeight, top, info.inHeight);
  const across = after(info.outWidth, info.strideWidth, info.effectiveFilterWidth, left, info.inWidth);
  // Padding beyond what is read, by less than a stride, changes nothing.
  const same = (needed: number, stated: number, stride: number) => needed <= stated && stated < needed + stride;
  if (same(down, bottom, info.strideHeight) && same(across, right, info.strideWidth)) return 'as stated';
  return [
    [top, down],
    [left, across],
  ];
}
