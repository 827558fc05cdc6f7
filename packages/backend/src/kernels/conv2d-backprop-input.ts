import * as tf from '@tensorflow/tfjs-core';
import type { KernelArguments } from '../wasm-backend';
import { padOrCrop } from './pad-or-crop';
import type { ConvolutionAttributes } from './convolution';
import { convolution } from './convolution';

/**
 * The gradient of conv2d in its input, which is also the transposed convolution. dy: [n, h', w', out], filter: [kh, kw,
 * in, out] → [n, h, w, in].
 *
 * With stride s, an input pixel s·g + r is reached by the filter's rows r + s·j from the outputs g − j. So the filter's
 * s·s phases, each reversed, are ordinary convolutions of dy; they are done as one with s·s times as many output
 * channels, which are then spread over pixels.
 */
export function conv2dBackpropInput({ inputs, attrs }: KernelArguments): tf.TensorInfo {
  const dy = inputs.dy as tf.Tensor4D;
  const filter = inputs.filter as tf.Tensor4D;
  const { inputShape } = attrs as { inputShape: [number, number, number, number] };
  const { strideHeight, strideWidth, ...info } = convolution(
    'conv2dBackpropInput',
    inputShape,
    filter.shape,
    attrs as unknown as ConvolutionAttributes,
  );
  const [n, height, width, channels] = inputShape;
  const { top, left } = info.padInfo;
  // How many filter rows and columns fall to each phase, and how many input pixels each phase has.
  const [rows, columns] = [Math.ceil(info.filterHeight / strideHeight), Math.ceil(info.filterWidth / strideWidth)];
  const [gridHeight, gridWidth] = [Math.ceil((height + top) / strideHeight), Math.ceil((width + left) / strideWidth)];
  return tf.tidy(() => {
    const whole = padOrCrop(filter, [
      [0, rows * strideHeight - info.filterHeight],
      [0, columns * strideWidth - info.filterWidth],
      [0, 0],
      [0, 0],
    ]);
    const phases = tf.transpose(
      tf.reshape(whole, [rows, strideHeight, columns, strideWidth, channels, info.outChannels]),
      [0, 2, 5, 1, 3, 4],
    );
    const reversed: tf.Tensor4D = tf.reverse(
      tf.reshape(phases, [rows, columns, info.outChannels, strideHeight * strideWidth * channels]),
      [0, 1],
    );
    const padded = padOrCrop(dy, [
      [0, 0],
      [rows - 1, gridHeight - info.outHeight],
      [columns - 1, gridWidth - info.outWidth],
      [0, 0],
    ]);
    const grid = tf.conv2d(padded, reversed, 1, 'valid');
    const spread = tf.transpose(
      tf.reshape(grid, [n * gridHeight, gridWidth, strideHeight, strideWidth * channels]),
      [0, 2, 1, 3],
    );
    const image: tf.Tensor4D = tf.reshape(spread, [n, gridHeight * strideHeight, gridWidth * strideWidth, channels]);
    const crop = (before: number, size: number, from: number): [number, number] => [-before, size + before - from];
    return padOrCrop(image, [
      [0, 0],
      crop(top, height, gridHeight * strideHeight),
      crop(left, width, gridWidth * strideWidth),
      [0, 0],
    ]);
  });
}
