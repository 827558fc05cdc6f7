import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import type { Node, Target, Value } from '../../graph';
import { Graph, reachable } from '../../graph';
import { fusions } from '../../kernels';
import { writeModel } from '../../onnx';
import { add, nchwc, node, pad, reshape, slice, transpose } from '../../ops';
import { portable } from '../../self-test';
import { openSession } from '../../run/ort';
import { ortTensor } from '../../run/session';
import { values } from '../../../test/compare';
import { convolutions } from './conv';
import { depthwiseConvolutions } from './depthwise';
import { points } from './winograd';

/*
 * A processor has one size of blocks, so here ORT's blocked operators are written in terms of standard ones, for any
 * size. A blocked value has the shape [n, c, h, w], and its elements in the order [n, c/B, h, w, B].
 */

const lowerings = { ...convolutions, ...depthwiseConvolutions };

function blocked(x: Value, block: number): Value {
  const [n, c, h, w] = x.shape;
  return reshape(transpose(reshape(x, [n, c / block, block, h, w]), [0, 1, 3, 4, 2]), x.shape);
}

function unblocked(x: Value, block: number): Value {
  const [n, c, h, w] = x.shape;
  return reshape(transpose(reshape(x, [n, c / block, h, w, block]), [0, 1, 4, 2, 3]), x.shape);
}

function standard({ op, attributes, outputs: [{ shape }] }: Node, inputs: (Value | undefined)[], block: number): Value {
  const x = inputs[0]!;
  if (op === 'ReorderInput') {
    const first = attributes.channels_last === 1 ? transpose(x, [0, 3, 1, 2]) : x;
    return blocked(pad(first, [0, 0, 0, 0], [0, shape[1] - first.shape[1], 0, 0]), block);
  }
  if (op === 'ReorderOutput') {
    return slice(transpose(unblocked(x, block), [0, 2, 3, 1]), [0, 0, 0, 0], shape);
  }
  expect(op).toBe('Conv');
  const [, filter, bias, before] = inputs;
  const [co, ci, kh, kw] = filter!.shape;
  const depthwise = attributes.group === co;
  const lanes = depthwise || ci % block > 0 ? 1 : block;
  const weights = transpose(reshape(filter!, [co / block, ci / lanes, kh, kw, lanes, block]), [0, 5, 1, 4, 2, 3]);
  const image = depthwise || lanes > 1 ? unblocked(x, block) : x;
  const y = blocked(
    node('Conv', [image, reshape(weights, [co, ci, kh, kw]), bias], shape, 'float32', attributes),
    block,
  );
  return before ? add(y, before) : y;
}

/**
 * The same graph without blocked operators, how many there were, how many of them were convolutions at the points of
 * tiles, and the sums.
 */
function translated(output: Value): { output: Value; inputs: Value[]; count: number; tiled: number; sums: number } {
  const { block } = output.graph.target;
  const graph = new Graph(portable);
  const known = new Map<Value, Value>();
  let [count, tiled, sums] = [0, 0, 0];
  for (const original of reachable([output])) {
    const { op, domain, data, name, attributes, outputs } = original;
    const inputs = original.inputs.map((value) => value && known.get(value.graph.resolve(value))!);
    let results: readonly Value[];
    if (op === 'Input') results = [graph.input(name!, outputs[0].shape, outputs[0].dtype)];
    else if (op === 'Constant') results = [graph.constant(data!, outputs[0].shape, outputs[0].dtype)];
    else if (domain === nchwc) results = [standard(original, inputs, block)];
    else results = graph.node(op, inputs, outputs, attributes, domain);
    if (domain === nchwc) count++;
    if (domain === nchwc && attributes.group === points) tiled++;
    if (op === 'Add') sums++;
    outputs.forEach((value, i) => known.set(value, results[i]));
  }
  return { output: known.get(output.graph.resolve(output))!, inputs: graph.inputs, count, tiled, sums };
}

async function run(kernel: string, inputs: Record<string, tf.Tensor>, attrs: Record<string, unknown>, target: Target) {
  const graph = new Graph(target, fusions);
  const given = Object.fromEntries(
    Object.entries(inputs).map(([name, { shape }]) => [name, graph.input(name, shape, 'float32')]),
  );
  const {
    output,
    inputs: ports,
    count,
    tiled,
    sums,
  } = translated(lowerings[kernel]({ graph, inputs: given, all: [], attrs }) as Value);
  const named = ports.map((value) => ({ name: value.node.name!, value }));
  const session = await openSession(writeModel(named, [{ name: 'y', value: output }]), {
    threads: 1,
    optimization: 'disabled',
  });
  const feeds = named.map(
    ({ name, value: { shape } }) =>
      [name, ortTensor(inputs[name].dataSync() as Float32Array, shape, 'float32')] as const,
  );
  const { y } = await session.run(Object.fromEntries(feeds));
  await session.release();
  return { data: y.data as Float32Array, count, tiled, sums };
}

const small = (min: number, max: number) => fc.integer({ min, max });

interface Case {
  n: number;
  h: number;
  w: number;
  ci: number;
  co: number;
  k: number;
  stride: number;
  pad: 'same' | 'valid';
  inference: boolean;
}

/** A convolution, its gradients, and the same with one filter a channel. */
function kernelsOf({
  n,
  h,
  w,
  ci,
  co,
  k,
  stride,
  pad: padding,
}: Case): [string, Record<string, tf.Tensor>, Record<string, unknown>][] {
  const out = (size: number) => (padding === 'same' ? Math.ceil(size / stride) : Math.ceil((size - k + 1) / stride));
  const [x, dy, dyEach] = [ci, co, ci].map((c, i) => values(i === 0 ? [n, h, w, c] : [n, out(h), out(w), c], i + 1));
  const [filter, each] = [values([k, k, ci, co], 4), values([k, k, ci, 1], 5)];
  const attrs = { strides: stride, pad: padding, dilations: 1 };
  return [
    ['Conv2D', { x, filter }, attrs],
    ['Conv2DBackpropInput', { dy, filter }, { ...attrs, inputShape: x.shape }],
    ['Conv2DBackpropFilter', { x, dy }, { ...attrs, filterShape: filter.shape }],
    ['DepthwiseConv2dNative', { x, filter: each }, attrs],
    ['DepthwiseConv2dNativeBackpropInput', { dy: dyEach, filter: each }, { ...attrs, inputShape: x.shape }],
    ['DepthwiseConv2dNativeBackpropFilter', { x, dy: dyEach }, { ...attrs, filterShape: each.shape }],
  ];
}

/** Compares each kernel with the portable path's; gives how many blocked operators each had. */
async function expectPortable(kernels: ReturnType<typeof kernelsOf>, block: number, inference: boolean) {
  const counts: { kernel: string; count: number; tiled: number; sums: number }[] = [];
  for (const [kernel, inputs, options] of kernels) {
    const expected = await run(kernel, inputs, options, portable);
    const { data, count, tiled, sums } = await run(kernel, inputs, options, { contrib: true, block, inference });
    counts.push({ kernel, count, tiled, sums });
    const scale = expected.data.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
    expected.data.forEach((value, i) => {
      if (!(Math.abs(value - data[i]) < 1e-5 * scale)) throw new Error(`${kernel}: ${data[i]}, expected ${value}`);
    });
  }
  return counts;
}

test.each([8, 16])('blocks of %i channels compute what the portable path does', async (block) => {
  const cases = fc.record({
    n: fc.constantFrom(1, 2, 3, 8, 16),
    h: small(3, 9),
    w: small(3, 9),
    ci: fc.constantFrom(1, 3, 8, 20, 33),
    co: fc.constantFrom(1, 4, 9, 28),
    k: small(1, 4),
    stride: small(1, 2),
    pad: fc.constantFrom<'same' | 'valid'>('same', 'valid'),
    inference: fc.boolean(),
  });
  let blockedOperators = 0;
  await fc.assert(
    fc.asyncProperty(
      cases.filter(({ h, w, k }) => Math.min(h, w) >= k),
      async (each) => {
        tf.engine().startScope();
        for (const { count } of await expectPortable(kernelsOf(each), block, each.inference)) blockedOperators += count;
        tf.engine().endScope();
      },
    ),
    { numRuns: 25, seed: 1 },
  );
  expect(blockedOperators).toBeGreaterThan(100);
});

test.each([8, 16])('so do tiles on blocks of %i', async (block) => {
  const cases = fc.record({
    n: fc.constantFrom(1, 3, 8, 16),
    h: small(1, 5),
    w: fc.constantFrom(4, 6, 7, 8, 11),
    ci: fc.constantFrom(49, 56),
    co: fc.constantFrom(50, 64),
    k: fc.constant(3),
    stride: fc.constant(1),
    pad: fc.constant('same' as const),
    inference: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(cases, async (each) => {
      tf.engine().startScope();
      const counts = await expectPortable(kernelsOf(each).slice(0, 3), block, each.inference);
      expect(counts.map(({ tiled }) => tiled)).toEqual([1, 1, 1]);
      tf.engine().endScope();
    }),
    { numRuns: 8, seed: 1 },
  );
});

test.each([8, 16])('a bias is added by the convolution itself, on blocks of %i', async (block) => {
  tf.engine().startScope();
  const bias = (channels: number) => values([channels], 9);
  const attrs = { strides: 1, pad: 'same', dilations: 1 };
  const kernels: ReturnType<typeof kernelsOf> = [
    ['FusedConv2D', { x: values([2, 5, 6, 20], 1), filter: values([3, 3, 20, 36], 2), bias: bias(36) }, attrs],
    ['FusedConv2D', { x: values([2, 5, 8, 56], 3), filter: values([3, 3, 56, 50], 4), bias: bias(50) }, attrs],
    ['FusedConv2D', { x: values([1, 1, 4, 56], 5), filter: values([3, 3, 56, 64], 6), bias: bias(64) }, attrs],
    ['FusedDepthwiseConv2D', { x: values([2, 5, 6, 20], 7), filter: values([3, 3, 20, 1], 8), bias: bias(20) }, attrs],
  ];
  const counts = await expectPortable(kernels, block, false);
  expect(counts.map(({ tiled }) => tiled)).toEqual([0, 1, 1, 0]);
  expect(counts.map(({ sums }) => sums)).toEqual([0, 0, 0, 0]);
  tf.engine().endScope();
});
