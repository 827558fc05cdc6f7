import * as tf from '@tensorflow/tfjs-core';
import type { KernelArguments, WasmBackend } from '../wasm-backend';
import type { ConvolutionAttributes } from './convolution';

/**
 * The gradient of max pooling: each window's dy goes to the first of its greatest inputs. dy: [n, h', w', c], input:
 * [n, h, w, c]. The backend's own kernel loses gradients for some sizes of windows and strides.
 */
export function maxPoolGrad({ inputs, attrs, backend: any }: KernelArguments): tf.TensorInfo {
  const backend = any as WasmBackend;
  const { dy, input } = inputs as { dy: tf.TensorInfo; input: tf.TensorInfo };
  const { filterSize, strides, pad, dimRoundingMode } = attrs as unknown as ConvolutionAttributes & {
    filterSize: number | [number, number];
  };
  const shape = input.shape as [number, number, number, number];
  const info = tf.backend_util.computePool2DInfo(shape, filterSize, strides, 1, pad, dimRoundingMode);
  const { inHeight, inWidth, outHeight, outWidth, inChannels: channels, padInfo } = info;
  const out = backend.makeOutput(shape, 'float32');
  const dx = backend.typedArrayFromHeap(out).fill(0);
  const [x, gradient] = [backend.typedArrayFromHeap(input), backend.typedArrayFromHeap(dy)];
  for (let index = 0; index < gradient.length; index++) {
    const channel = index % channels;
    const pixel = (index - channel) / channels;
    const column = (pixel % outWidth) * info.strideWidth - padInfo.left;
    const line = Math.floor(pixel / outWidth);
    const row = (line % outHeight) * info.strideHeight - padInfo.top;
    const image = Math.floor(line / outHeight);
    let greatest = -1;
    for (let i = Math.max(0, row); i < Math.min(inHeight, row + info.filterHeight); i++) {
      for (let j = Math.max(0, column); j < Math.min(inWidth, column + info.filterWidth); j++) {
        const at = ((image * inHeight + i) * inWidth + j) * channels + channel;
        if (greatest < 0 || x[at] > x[greatest]) greatest = at;
      }
    }
    if (greatest >= 0) dx[greatest] += gradient[index];
  }
  return out;
}
