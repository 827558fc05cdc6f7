import type { Graph, Shape, Value } from '../graph';
import { node, pad, reshape, slice, transpose } from '../ops';
import type { Axis, Geometry } from './conv-geometry';
import { after } from './conv-geometry';

/*
 * ORT's own convolutions on tensors whose channels come in blocks as wide as a vector register: [n, c/B, h, w, B] in memory, [n, c, h, w] by
 * its word. ORT makes them itself of a Conv whose weights are constant; here they are written out, so that weights may change every step.
 * The block size depends on the processor, and a wrong one computes wrong numbers silently: hence the self-test.
 */

export const nchwc = 'com.microsoft.nchwc';
export const roundUp = (channels: number, block: number) => Math.ceil(channels / block) * block;

/** Whether the blocked form applies: it has no negative padding, which would cut pixels off. */
export function canBlock({ target: { block } }: Graph, g: Geometry): boolean {
  return (
    block > 0 &&
    after(g.height) >= 0 &&
    after(g.width) >= 0 &&
    g.height.before >= 0 &&
    g.width.before >= 0 &&
    g.n * g.height.out * g.width.out > 0
  );
}

/** [n, h, w, c] → blocked, the channels filled up with zeros. */
export function toBlocked(x: Value): Value {
  const { block } = x.graph.target;
  const [n, h, w, c] = x.shape;
  // Its loops take four channels at a time.
  const whole = pad(x, [0, 0, 0, 0], [0, 0, 0, roundUp(c, 4) - c]);
  return node('ReorderInput', [whole], [n, roundUp(c, block), h, w], 'float32', { channels_last: 1 }, nchwc);
}

export function fromBlocked(x: Value, channels: number): Value {
  const [n, , h, w] = x.shape;
  return node('ReorderOutput', [x], [n, h, w, channels], 'float32', { channels, channels_last: 1 }, nchwc);
}

const window = (height: Axis, width: Axis) => ({
  kernel_shape: [height.kernel, width.kernel],
  strides: [height.stride, width.stride],
  dilations: [height.dilation, width.dilation],
  pads: [height.before, width.before, after(height), after(width)],
});

/** [rows, columns, c] of any meaning → [c/B, rows, columns, B] in memory. */
function blockedRows(x: Value, rows: number, columns: number, shape: Shape): Value {
  const { block, inference } = x.graph.target;
  const channels = x.shape.at(-1)!;
  const whole = roundUp(channels, block);
  const filled = (to: number) => reshape(pad(reshape(x, [rows * columns, channels]), [0, 0], [0, to - channels]), [rows, columns, to]);
  if (inference) {
    // Of constants, which ORT computes once, but not by the operator that is faster.
    return reshape(transpose(reshape(filled(whole), [rows * columns, whole / block, block]), [1, 0, 2]), shape);
  }
  const last = roundUp(channels, 4);
  const image = reshape(filled(last), [1, rows, columns, last]);
  return reshape(node('ReorderInput', [image], [1, whole, rows, columns], 'float32', { channels_last: 1 }, nchwc), shape);
}

/** [kh, kw, ci, co] → [co/B, ci/B, kh, kw, B, B], or with few input channels [co/B, ci, kh, kw, B]. */
function blockedFilter(filter: Value, blockInput: boolean): Value {
  const { block } = filter.graph.target;
  const [kh, kw, ci, co] = filter.shape;
  const lanes = blockInput ? block : 1;
  const inner = roundUp(ci, lanes);
  const whole = pad(filter, [0, 0, 0, 0], [0, 0, inner - ci, 0]);
  // Long rows are moved, and ORT's own loops do the rest.
  const moved = transpose(reshape(whole, [kh * kw, inner / lanes, lanes * co]), [1, 0, 2]);
  return blockedRows(reshape(moved, [kh * kw * inner, co]), (kh * kw * inner) / lanes, lanes, [roundUp(co, block), inner, kh, kw]);
}

export function blockedConv(x: Value, filter: Value, g: Geometry): Value {
  const { block } = x.graph.target;
  // With fewer channels than a block, the input stays as it is, channels first.
  const blockInput = g.inChannels >= block / 2;
  const input = blockInput ? toBlocked(x) : transpose(x, [0, 3, 1, 2]);
  const shape = [g.n, roundUp(g.outChannels, block), g.height.out, g.width.out];
  const y = node('Conv', [input, blockedFilter(filter, blockInput)], shape, 'float32', { ...window(g.height, g.width), group: 1 }, nchwc);
  return fromBlocked(y, g.outChannels);
}

/** Zeros left and right of x. At the borders, ORT's loops for one filter a channel take one pixel at a time, and several elsewhere. */
function besideZeros(x: Value, g: Geometry): { x: Value; width: Axis } {
  const { size, before } = g.width;
  const [left, right] = [before, after(g.width)];
  return { x: pad(x, [0, 0, left, 0], [0, 0, right, 0]), width: { ...g.width, size: left + size + right, before: 0 } };
}

/** One filter for each channel, [kh, kw, c]. */
export function blockedDepthwise(x: Value, filter: Value, g: Geometry): Value {
  const { block } = x.graph.target;
  const [kh, kw, c] = filter.shape;
  const channels = roundUp(c, block);
  const weights = blockedRows(filter, kh, kw, [channels, 1, kh, kw]);
  const shape = [g.n, channels, g.height.out, g.width.out];
  const wide = besideZeros(x, g);
  const y = node('Conv', [toBlocked(wide.x), weights], shape, 'float32', { ...window(g.height, wide.width), group: channels }, nchwc);
  return fromBlocked(y, c);
}

/**
 * dFilter [kh, kw, c]: every channel of every image is a channel of one large image, and dy its filter; then the images' results are added.
 * For strides and dilations of 1.
 */
export function blockedDepthwiseFilter(x: Value, dy: Value, g: Geometry): Value {
  const { block } = x.graph.target;
  const [kh, kw, c] = [g.height.kernel, g.width.kernel, g.inChannels];
  const channels = roundUp(c, block);
  const groups = g.n * channels;
  const wide = besideZeros(x, g);
  const image = reshape(toBlocked(wide.x), [1, groups, g.height.size, wide.width.size]);
  const filter = reshape(toBlocked(dy), [groups, 1, g.height.out, g.width.out]);
  const turn = ({ size, out, kernel, before }: Axis): Axis => ({ size, out: kernel, kernel: out, stride: 1, dilation: 1, before });
  const conv = node(
    'Conv',
    [image, filter],
    [1, groups, kh, kw],
    'float32',
    { ...window(turn(g.height), turn(wide.width)), group: groups },
    nchwc,
  );
  const each = reshape(conv, [g.n, (channels / block) * kh * kw * block]);
  const total = reshape(sumRows(each), [channels / block, kh, kw, block]);
  return slice(reshape(transpose(total, [1, 2, 0, 3]), [kh, kw, channels]), [0, 0, 0], [kh, kw, c]);
}

function sumRows(x: Value): Value {
  return node('ReduceSum', [x, x.graph.constant([0], [1], 'int64')], [1, x.shape[1]], 'float32', { keepdims: 1 });
}
