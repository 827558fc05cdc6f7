import type { Graph, Shape, Value } from '../../graph';
import { nchwc, node, pad, reshape, slice, sum, transpose } from '../../ops';
import type { Axis, Geometry } from './geometry';
import { after, byOutput, windowAttributes } from './geometry';

/*
 * ORT's own convolutions on tensors whose channels come in blocks as wide as a vector register: [n, c/B, h, w, B] in
 * memory, [n, c, h, w] by its word. ORT makes them itself of a Conv whose weights are constant; here they are written
 * out, so that weights may change every step.
 * The block size depends on the processor, and a wrong one computes wrong numbers silently: hence the self-test.
 */

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

/** [groups, rows, columns, c] of any meaning → [groups, c/B, rows, columns, B] in memory. */
function blockedRows(x: Value, shape: Shape): Value {
  const { block, inference } = x.graph.target;
  const [groups, rows, columns, channels] = x.shape;
  const whole = roundUp(channels, block);
  const filled = (to: number) => pad(x, [0, 0, 0, 0], [0, 0, 0, to - channels]);
  if (inference) {
    // Of constants, which ORT computes once, but not by the operator that is faster.
    return reshape(
      transpose(reshape(filled(whole), [groups, rows * columns, whole / block, block]), [0, 2, 1, 3]),
      shape,
    );
  }
  const image = filled(roundUp(channels, 4));
  return reshape(
    node('ReorderInput', [image], [groups, whole, rows, columns], 'float32', { channels_last: 1 }, nchwc),
    shape,
  );
}

/** [kh, kw, ci, co] → [co/B, ci/B, kh, kw, B, B] in memory, or with few input channels [co/B, ci, kh, kw, B]. */
function blockedFilter(filter: Value, blockInput: boolean): Value {
  const { block } = filter.graph.target;
  const [kh, kw, ci, co] = filter.shape;
  const lanes = blockInput ? block : 1;
  const inner = roundUp(ci, lanes);
  const whole = pad(filter, [0, 0, 0, 0], [0, 0, inner - ci, 0]);
  // Long rows are moved, and ORT's own loops do the rest.
  const moved = transpose(reshape(whole, [kh * kw, inner / lanes, lanes * co]), [1, 0, 2]);
  return blockedRows(reshape(moved, [1, (kh * kw * inner) / lanes, lanes, co]), [roundUp(co, block), inner, kh, kw]);
}

/** Each column of [kh, kw, ci, co] as a filter of its own: [kw, co/B, ci/B, kh, B, B] in memory. */
export function blockedColumns(filter: Value): Value {
  const { block } = filter.graph.target;
  const [kh, kw, ci, co] = filter.shape;
  const [inner, outer] = [roundUp(ci, block), roundUp(co, block)];
  const whole = pad(filter, [0, 0, 0, 0], [0, 0, inner - ci, 0]);
  const moved = transpose(reshape(whole, [kh, kw, inner / block, block * co]), [1, 2, 0, 3]);
  return blockedRows(reshape(moved, [kw, (inner / block) * kh, block, co]), [kw, outer, inner, kh]);
}

/** x [n, h, w, ci] * filter [kh, kw, ci, co] → [n, h', w', co]. */
export function blockedConv(x: Value, filter: Value, g: Geometry): Value {
  const { block } = x.graph.target;
  // With fewer channels than a block, the input stays as it is, channels first.
  const blockInput = g.inChannels >= block / 2;
  const input = blockInput ? toBlocked(x) : transpose(x, [0, 3, 1, 2]);
  const weights = blockedFilter(filter, blockInput);
  const channels = roundUp(g.outChannels, block);
  const shape = [g.n, channels, g.height.out, g.width.out];
  return fromBlocked(
    node('Conv', [input, weights], shape, 'float32', { ...windowAttributes(g.height, g.width), group: 1 }, nchwc),
    g.outChannels,
  );
}

/**
 * Zeros left and right of x. At the borders, ORT's loops for one filter a channel take one pixel at a time, and several
 * elsewhere.
 */
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
  const weights = blockedRows(reshape(filter, [1, kh, kw, c]), [channels, 1, kh, kw]);
  const shape = [g.n, channels, g.height.out, g.width.out];
  const wide = besideZeros(x, g);
  const attributes = { ...windowAttributes(g.height, wide.width), group: channels };
  return fromBlocked(node('Conv', [toBlocked(wide.x), weights], shape, 'float32', attributes, nchwc), c);
}

/**
 * dFilter [kh, kw, c]: every channel of every image is a channel of one large image, and dy its filter; then the
 * images' results are added.
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
  const conv = node(
    'Conv',
    [image, filter],
    [1, groups, kh, kw],
    'float32',
    { ...windowAttributes(byOutput(g.height), byOutput(wide.width)), group: groups },
    nchwc,
  );
  const each = reshape(conv, [g.n, (channels / block) * kh * kw * block]);
  const total = reshape(sum(each, [0]), [channels / block, kh, kw, block]);
  return slice(reshape(transpose(total, [1, 2, 0, 3]), [kh, kw, channels]), [0, 0, 0], [kh, kw, c]);
}
