import { beforeEach, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { TensorSpec } from '../../test/compare';
import { computeOn, draws, greatestDifference } from '../../test/compare';
import { prepareBackend } from '../prepare-backend';
import { convolutions, fusedConvolution } from './convolutions';
import { pooling } from './pooling';
import type { Attribute, Kernel, KernelArguments, TensorFlowBackend } from './tensorflow-backend';

// TensorFlow is not here: its operations are played by tfjs's cpu kernels, which get what TensorFlow would get, in its
// words alone.

beforeEach(() => prepareBackend('cpu'));

type Attributes = Record<string, unknown>;
const cpu = (name: string, inputs: object, attrs: Attributes) => tf.engine().runKernel<tf.Tensor>(name, inputs as tf.NamedTensorMap, attrs as tf.NamedAttrMap); // prettier-ignore

/** The attributes and inputs of each operation that was executed. */
let executed: { operation: string; padding: string }[] = [];

const player = {
  binding: { TF_ATTR_INT: 0, TF_ATTR_STRING: 1, TF_ATTR_TYPE: 2, TF_FLOAT: 3 },
  executeSingleOutput(operation: string, attributes: readonly Attribute[], inputs: readonly tf.Tensor[]) {
    const { strides, dilations, padding, data_format, explicit_paddings } = Object.fromEntries(attributes.map(({ name, value }) => [name, value])); // prettier-ignore
    executed.push({ operation, padding: padding as string });
    const zeros = explicit_paddings as number[] | undefined;
    expect(zeros !== undefined).toBe(padding === 'EXPLICIT');
    expect(data_format).toBe('NHWC');
    const pad = zeros
      ? [0, 1, 2, 3].map((axis) => zeros.slice(2 * axis, 2 * axis + 2))
      : (padding as string).toLowerCase();
    const spatial = (values: unknown) => (values as number[]).slice(1, 3);
    const attrs = { pad, strides: spatial(strides), dilations: spatial(dilations), dataFormat: 'NHWC' };
    const [first, second, third] = inputs;
    if (operation.endsWith('Filter'))
      return cpu(operation, { x: first, dy: third }, { ...attrs, filterShape: Array.from(second.dataSync()) });
    if (operation.endsWith('Input'))
      return cpu(operation, { dy: third, filter: second }, { ...attrs, inputShape: Array.from(first.dataSync()) });
    return cpu(operation, { x: first, filter: second }, attrs);
  },
} as unknown as TensorFlowBackend;

/** A kernel of tfjs-node's own, which takes no number. */
const original =
  (name: string, words: readonly string[]): Kernel =>
  ({ inputs, attrs }) => {
    const word = typeof attrs.pad === 'string' ? attrs.pad : Array.isArray(attrs.pad) ? 'margins' : 'number';
    expect(words).toContain(word);
    expect(attrs.dimRoundingMode).toBeUndefined();
    return cpu(name, inputs, { ...attrs });
  };

async function agree(kernel: Kernel, name: string, inputs: Record<string, TensorSpec>, attrs: Attributes) {
  const names = Object.keys(inputs);
  const together = (tensors: tf.Tensor[]) => Object.fromEntries(tensors.map((tensor, index) => [names[index], tensor]));
  const specs = Object.values(inputs);
  const [expected] = await computeOn('cpu', specs, (...tensors: tf.Tensor[]) => cpu(name, together(tensors), attrs));
  const call = (tensors: tf.Tensor[]): KernelArguments => ({ inputs: together(tensors), attrs, backend: player });
  const [actual] = await computeOn('cpu', specs, (...tensors: tf.Tensor[]) => kernel(call(tensors)));
  expect({ name, attrs, shape: actual.shape }).toEqual({ name, attrs, shape: expected.shape });
  expect(greatestDifference(expected.values, actual.values)).toBeLessThan(1e-5);
}

test.each([false, true])(
  'convolutions and their gradients take numbers as padding (depthwise: %s)',
  async (depthwise) => {
    executed = [];
    const random = draws(8);
    const names = depthwise
      ? ['DepthwiseConv2dNative', 'DepthwiseConv2dNativeBackpropFilter', 'DepthwiseConv2dNativeBackpropInput']
      : ['Conv2D', 'Conv2DBackpropFilter', 'Conv2DBackpropInput'];
    const fusedName = depthwise ? 'FusedDepthwiseConv2D' : 'FusedConv2D';
    const fused = fusedConvolution(depthwise)(original(fusedName, ['same', 'valid', 'margins']));
    for (let round = 0; round < 60; round++) {
      const [h, w, stride] = [random.integer(3, 9), random.integer(3, 9), random.integer(1, 3)];
      const inputShape = [random.integer(1, 2), h, w, random.integer(1, 3)] as [number, number, number, number];
      // Every third filter has unequal sides, for which tfjs reckons the width's outputs by the height's.
      const side = random.integer(1, 3);
      const sides = round % 3 ? [side, side] : [random.integer(1, 3), random.integer(1, 3)];
      const filterShape = [...sides, inputShape[3], random.integer(1, 2)] as [number, number, number, number];
      const [pad, dimRoundingMode] = [random.integer(0, 3), random.one(['floor', 'round', 'ceil'] as const)];
      const { outShape } = tf.backend_util.computeConv2DInfo(
        inputShape,
        filterShape,
        stride,
        1,
        pad,
        dimRoundingMode,
        depthwise,
      );
      if (Math.min(...outShape) < 1) continue;
      const attrs = {
        strides: [stride, stride],
        pad,
        dimRoundingMode,
        dilations: [1, 1],
        dataFormat: 'NHWC',
        inputShape,
        filterShape,
      };
      const [x, filter, dy] = [inputShape, filterShape, outShape].map(random.tensor);
      await agree(convolutions[names[0]], names[0], { x, filter }, attrs);
      await agree(convolutions[names[1]], names[1], { x, dy }, attrs);
      await agree(convolutions[names[2]], names[2], { dy, filter }, attrs);
      await agree(
        fused,
        fusedName,
        { x, filter, bias: random.tensor([outShape[3]]) },
        { ...attrs, activation: 'relu' },
      );
    }
    for (const name of names) {
      const words = executed.filter(({ operation }) => operation === name).map(({ padding }) => padding);
      expect(new Set(words)).toEqual(new Set(['SAME', 'VALID', 'EXPLICIT']));
    }
  },
);

test('what TensorFlow cannot do is refused before it is asked', () => {
  const [x, dy, filter] = [tf.ones([1, 5, 5, 2]), tf.ones([1, 5, 5, 2]), tf.ones([3, 3, 2, 1])];
  const call = (name: string, inputs: KernelArguments['inputs'], attrs: Attributes) => () =>
    convolutions[name]({
      inputs,
      attrs: { pad: 1, inputShape: x.shape, filterShape: filter.shape, ...attrs },
      backend: player,
    });
  const refused = new RangeError('depthwiseConv2d: TensorFlow has no gradients of dilated filters');
  executed = [];
  expect(call('DepthwiseConv2dNativeBackpropFilter', { x, dy }, { strides: 1, dilations: [2, 2] })).toThrow(refused);
  expect(call('DepthwiseConv2dNativeBackpropInput', { dy, filter }, { strides: 1, dilations: [1, 2] })).toThrow(
    refused,
  );
  expect(call('DepthwiseConv2dNative', { x, filter }, { strides: [2, 1] })).toThrow(
    new RangeError('depthwiseConv2d: TensorFlow needs equal strides, got 2 and 1'),
  );
  expect(call('Conv2D', { x, filter }, { strides: 1, pad: 0, dilations: 3 })).toThrow(
    new RangeError('conv2d: a filter that spans 7×7 pixels does not fit into an image of 5×5'),
  );
  expect(executed).toEqual([]);
});

/** A pooling of random sizes that has an output, with what tfjs-node takes and what it does not. */
function randomPool({ integer, one, tensor }: ReturnType<typeof draws>) {
  for (;;) {
    const shape: [number, number, number, number] = [2, integer(3, 7), integer(3, 7), integer(1, 3)];
    const [filterSize, strides] = [integer(1, 3), integer(1, 3)];
    const pad = one(['same', 'valid', integer(0, filterSize - 1)] as const);
    const dimRoundingMode = typeof pad === 'number' ? one(['floor', 'round'] as const) : undefined;
    const info = tf.backend_util.computePool2DInfo(shape, filterSize, strides, 1, pad, dimRoundingMode);
    const { outHeight, outWidth, padInfo } = info;
    // Windows that see no pixel have no mean.
    const [last, right] = [(outHeight - 1) * strides - padInfo.top, (outWidth - 1) * strides - padInfo.left];
    if (outHeight < 1 || outWidth < 1 || last >= info.inHeight || right >= info.inWidth) continue;
    const attrs = { filterSize, strides, pad, dimRoundingMode };
    return { x: tensor(shape), dy: tensor(info.outShape), attrs };
  }
}

test('pooling takes numbers as padding, forward and backward', async () => {
  const random = draws(9);
  const words = ['same', 'valid'];
  for (let round = 0; round < 60; round++) {
    const { x, dy, attrs } = randomPool(random);
    await agree(pooling.MaxPool(original('MaxPool', words)), 'MaxPool', { x }, attrs);
    await agree(pooling.AvgPool(original('AvgPool', words)), 'AvgPool', { x }, attrs);
    await agree(
      pooling.MaxPoolGrad(original('MaxPoolGrad', words)),
      'MaxPoolGrad',
      { dy, input: x, output: dy },
      attrs,
    );
  }
});
