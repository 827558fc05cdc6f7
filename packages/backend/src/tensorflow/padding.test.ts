import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { draws } from '../../test/compare';
import { tensorFlowPadding } from './padding';

type Pad = Parameters<typeof tf.backend_util.computeConv2DInfo>[4];

function place(
  size: number,
  kernel: number,
  stride: number,
  pad: Pad,
  rounding?: 'floor' | 'round' | 'ceil',
  dilation = 1,
) {
  return tf.backend_util.computeConv2DInfo([1, size, size, 1], [kernel, kernel, 1, 1], stride, dilation, pad, rounding);
}

test.each([
  // The convolutions of the U-Net on its sizes, and of pictures of odd ones.
  { size: 28, kernel: 7, stride: 1, pad: 3, is: 'SAME' },
  { size: 28, kernel: 3, stride: 1, pad: 1, is: 'SAME' },
  { size: 28, kernel: 1, stride: 1, pad: 0, is: 'VALID' },
  { size: 28, kernel: 4, stride: 2, pad: 1, is: 'SAME' },
  { size: 7, kernel: 4, stride: 2, pad: 1, is: 'EXPLICIT', zeros: [1, 0] }, // 3 outputs, where 'SAME' has 4
  { size: 8, kernel: 3, stride: 2, pad: 1, is: 'EXPLICIT', zeros: [1, 0] }, // 'SAME' has its one zero at the end
  { size: 9, kernel: 3, stride: 2, pad: 1, is: 'SAME' },
  { size: 8, kernel: 3, stride: 1, pad: 2, is: 'EXPLICIT', zeros: [2, 2] },
  { size: 8, kernel: 3, stride: 1, pad: 0, is: 'VALID' },
  { size: 8, kernel: 3, stride: 2, pad: 0, is: 'VALID' }, // the last pixel is not read
])(
  '$kernel×$kernel, stride $stride, padding $pad on $size×$size is $is',
  ({ size, kernel, stride, pad, is, zeros }) => {
    const { padding, margins } = tensorFlowPadding(place(size, kernel, stride, pad, 'floor'));
    expect(padding).toBe(is);
    if (zeros) expect(margins).toEqual([zeros, zeros]);
  },
);

test('the words of tfjs are those of TensorFlow', () => {
  for (const [size, kernel, stride] of [
    [8, 3, 1],
    [8, 3, 2],
    [7, 4, 3],
    [5, 2, 3],
    [6, 5, 2],
  ])
    // prettier-ignore
    for (const dilation of stride > 1 ? [1] : [1, 2]) {
      if (kernel > 1) expect(tensorFlowPadding(place(size, kernel, stride, 'same', undefined, dilation)).padding).toMatch(/SAME|VALID/);
      if ((kernel - 1) * dilation < size) {
        expect(tensorFlowPadding(place(size, kernel, stride, 'valid', undefined, dilation)).padding).toBe('VALID');
      }
    }
});

test('zeros at one side alone, sizes rounded up, and what a filter of unequal sides leaves unread', () => {
  const explicit = [[0, 0], [0, 2], [1, 0], [0, 0]] as tf.backend_util.ExplicitPadding; // prettier-ignore
  expect(tensorFlowPadding(place(6, 3, 1, explicit))).toEqual({ padding: 'EXPLICIT', margins: [[0, 2], [1, 0]] }); // prettier-ignore
  expect(tensorFlowPadding(place(8, 3, 2, 1, 'ceil'))).toEqual({ padding: 'EXPLICIT', margins: [[1, 2], [1, 2]] }); // prettier-ignore
  // tfjs reckons the width's outputs by the height's filter: three columns at the end have no output.
  const info = tf.backend_util.computeConv2DInfo([1, 9, 9, 1], [7, 1, 1, 1], 1, 1, 3, 'floor');
  expect(tensorFlowPadding(info)).toEqual({ padding: undefined, margins: [[3, 3], [3, -3]] }); // prettier-ignore
});

test('TensorFlow makes outputs of tfjs’s sizes, from the same pixels, whatever the padding', () => {
  const { integer, one } = draws(1);
  const seen = new Set<string | undefined>();
  for (let round = 0; round < 2000; round++) {
    const [size, kernel, stride] = [integer(1, 12), integer(1, 5), integer(1, 4)];
    const pad = one(['same', 'valid', integer(0, 4)] as const);
    const info = place(
      size,
      kernel,
      stride,
      pad,
      typeof pad === 'number' ? one(['floor', 'round', 'ceil']) : undefined,
    );
    if (info.outHeight < 1) continue;
    const { padding, margins } = tensorFlowPadding(info);
    seen.add(padding);
    // The definitions of tf.nn.convolution: the outputs along one axis, and the zeros before the first pixel.
    const outputs = Math.ceil(size / stride);
    const [before, after] = margins[0];
    const definition = {
      SAME: [outputs, Math.floor(Math.max((outputs - 1) * stride + kernel - size, 0) / 2)],
      VALID: [Math.ceil((size - kernel + 1) / stride), 0],
      EXPLICIT: [Math.ceil((size + before + after - kernel + 1) / stride), before],
    }[padding!];
    expect({ size, kernel, stride, pad, found: definition }).toEqual({
      size,
      kernel,
      stride,
      pad,
      found: [info.outHeight, info.padInfo.top],
    });
  }
  expect(seen).toEqual(new Set(['SAME', 'VALID', 'EXPLICIT']));
});
