import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { compared, computeOn, draws, expectSame, onTensorFlow } from '../../test/compare';

const kernel =
  (name: string, attrs: object, names: readonly string[]) =>
  (...tensors: tf.Tensor[]): tf.Tensor =>
    tf.engine().runKernel<tf.Tensor>(name, Object.fromEntries(names.map((input, index) => [input, tensors[index]])), {
      ...attrs,
    });

/** A convolution of random sizes, strides and padding that has an output. */
function randomConvolution({ integer, one }: ReturnType<typeof draws>, depthwise: boolean) {
  for (;;) {
    const [h, w] = [integer(2, 9), integer(2, 9)];
    const x: Four = [integer(1, 3), h, w, integer(1, 9)];
    const filter: Four = [
      integer(1, Math.min(h, 5)),
      integer(1, Math.min(w, 5)),
      x[3],
      depthwise ? integer(1, 2) : integer(1, 9),
    ];
    const explicit = [
      [0, 0],
      [integer(0, 3), integer(0, 3)],
      [integer(0, 3), integer(0, 3)],
      [0, 0],
    ] as tf.backend_util.ExplicitPadding;
    const pad = one(['same', 'valid', integer(0, 3), explicit] as const);
    const strides = [integer(1, 3), integer(1, 3)] as [number, number];
    if (depthwise && onTensorFlow) strides[1] = strides[0];
    const dimRoundingMode = typeof pad === 'string' ? undefined : one(['floor', 'round', 'ceil'] as const);
    const info = tf.backend_util.computeConv2DInfo(x, filter, strides, 1, pad, dimRoundingMode, depthwise);
    if (info.outHeight < 1 || info.outWidth < 1) continue;
    return {
      x,
      filter,
      y: info.outShape,
      attrs: { strides, pad, dimRoundingMode, dataFormat: 'NHWC', dilations: [1, 1] },
    };
  }
}

type Four = [number, number, number, number];

test('convolution and its gradients agree with cpu for every stride, padding and rounding', async () => {
  const random = draws(1);
  for (let round = 0; round < 60; round++) {
    const { x, filter, y, attrs } = randomConvolution(random, false);
    const label = JSON.stringify({ x, filter, attrs });
    const [xs, ws, dys] = [random.tensor(x), random.tensor(filter), random.tensor(y)];
    await expectSame(label, [xs, ws], kernel('Conv2D', attrs, ['x', 'filter']));
    await expectSame(label, [xs, dys], kernel('Conv2DBackpropFilter', { ...attrs, filterShape: filter }, ['x', 'dy']));
    await expectSame(label, [dys, ws], kernel('Conv2DBackpropInput', { ...attrs, inputShape: x }, ['dy', 'filter']));
  }
});

test('depthwise convolution and its gradients agree with cpu', async () => {
  const random = draws(2);
  for (let round = 0; round < 60; round++) {
    const { x, filter, y, attrs } = randomConvolution(random, true);
    const label = JSON.stringify({ x, filter, attrs });
    const [xs, ws, dys] = [random.tensor(x), random.tensor(filter), random.tensor(y)];
    await expectSame(label, [xs, ws], kernel('DepthwiseConv2dNative', attrs, ['x', 'filter']));
    await expectSame(
      label,
      [xs, dys],
      kernel('DepthwiseConv2dNativeBackpropFilter', { ...attrs, filterShape: filter }, ['x', 'dy']),
    );
    await expectSame(
      label,
      [dys, ws],
      kernel('DepthwiseConv2dNativeBackpropInput', { ...attrs, inputShape: x }, ['dy', 'filter']),
    );
  }
});

test('dilated convolutions agree with cpu', async () => {
  const random = draws(3);
  for (let round = 0; round < 20; round++) {
    const dilations = [random.integer(1, 3), random.integer(1, 3)];
    const attrs = { strides: [1, 1], pad: random.one(['same', 'valid']), dilations, dataFormat: 'NHWC' };
    const x = random.tensor([2, 10, 11, 5]);
    await expectSame(JSON.stringify(attrs), [x, random.tensor([3, 4, 5, 3])], kernel('Conv2D', attrs, ['x', 'filter']));
    await expectSame(
      JSON.stringify(attrs),
      [x, random.tensor([3, 4, 5, 1])],
      kernel('DepthwiseConv2dNative', attrs, ['x', 'filter']),
    );
  }
});

test('gradients of dilated depthwise convolution are its adjoints (cpu ignores the dilation)', async () => {
  const random = draws(4);
  const names = [
    'DepthwiseConv2dNative',
    'DepthwiseConv2dNativeBackpropFilter',
    'DepthwiseConv2dNativeBackpropInput',
  ] as const;
  for (let round = 0; round < 20; round++) {
    const [inputShape, filterShape]: Four[] = [
      [2, 9, 8, 6],
      [3, 2, 6, random.integer(1, 2)],
    ] as [Four, Four];
    const attrs = {
      strides: [1, 1],
      pad: random.one(['same', 'valid']),
      dilations: onTensorFlow ? [1, 1] : [random.integer(1, 3), random.integer(1, 3)],
      inputShape,
      filterShape,
    };
    const [x, w] = [random.tensor(inputShape), random.tensor(filterShape)];
    const [y] = await computeOn(compared, [x, w], kernel(names[0], attrs, ['x', 'filter']));
    const dy = random.tensor(y.shape);
    const [dw] = await computeOn(compared, [x, dy], kernel(names[1], attrs, ['x', 'dy']));
    const [dx] = await computeOn(compared, [dy, w], kernel(names[2], attrs, ['dy', 'filter']));
    // y is linear in x and in w, so ⟨dy, y⟩ = ⟨dx, x⟩ = ⟨dw, w⟩.
    const dot = (a: ArrayLike<number>, b: ArrayLike<number>) =>
      Array.from(a).reduce((sum, value, index) => sum + value * b[index], 0);
    const product = dot(dy.values, y.values);
    expect(dot(dx.values, x.values)).toBeCloseTo(product, 3);
    expect(dot(dw.values, w.values)).toBeCloseTo(product, 3);
  }
});

test('a filter that does not fit is refused, where XNNPACK would write outside its output', async () => {
  const random = draws(7);
  const inputs = [random.tensor([1, 4, 4, 1]), random.tensor([3, 3, 1, 1])];
  await expect(
    computeOn(compared, inputs, (x: tf.Tensor4D, w: tf.Tensor4D) => tf.conv2d(x, w, 1, 'valid', 'NHWC', 2)),
  ).rejects.toThrow(new RangeError('conv2d: a filter that spans 5×5 pixels does not fit into an image of 4×4'));
});

test('fused convolutions agree with cpu', async () => {
  const random = draws(5);
  for (const activation of ['linear', 'relu', 'elu', 'sigmoid'] as const) {
    for (const [strides, dimRoundingMode] of [
      [1, 'floor'],
      [2, 'floor'],
      [2, 'ceil'],
    ] as const) {
      const inputs = [random.tensor([2, 6, 5, 3]), random.tensor([3, 3, 3, 4]), random.tensor([4])];
      await expectSame(
        `${activation} ${strides} ${dimRoundingMode}`,
        inputs,
        (x: tf.Tensor4D, filter: tf.Tensor4D, bias: tf.Tensor1D) =>
          tf.fused.conv2d({ x, filter, strides, pad: 1, bias, activation, dimRoundingMode }),
      );
    }
  }
});

test('sizes of the U-Net that need several chunks and a transposed convolution agree with cpu', async () => {
  const random = draws(6);
  const inputs = [random.tensor([5, 24, 24, 2]), random.tensor([1, 1, 2, 3])];
  await expectSame('1×1 in chunks', inputs, (x: tf.Tensor4D, w: tf.Tensor4D) => tf.tidy(() => tf.grad((v) => tf.sum(tf.square(tf.conv2d(x, v as tf.Tensor4D, 1, 0))))(w)), 1e-4); // prettier-ignore
  const up = [random.tensor([2, 4, 4, 5]), random.tensor([4, 4, 3, 5])];
  await expectSame('transposed', up, (x: tf.Tensor4D, w: tf.Tensor4D) => tf.conv2dTranspose(x, w, [2, 8, 8, 3], 2, 1));
});
