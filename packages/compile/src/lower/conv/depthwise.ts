import type { Value } from '../../graph';
import { add, node, reshape, sum, transpose } from '../../ops';
import { blockedDepthwise, blockedDepthwiseFilter, canBlock } from './blocked';
import type { ConvAttrs, Geometry } from './geometry';
import { after, backwards, byOutput, geometry, unstrided, windowAttributes } from './geometry';
import { outputsByTap, patches, reached, turned } from './pixels';
import { activate } from '../elementwise';
import type { KernelCall, Lowerings } from '../lowering';
import { float } from '../promote';

/** filter: [kh, kw, c, m] → [n, h', w', c·m]. */
function depthwise(x: Value, filter: Value, g: Geometry): Value {
  const [kh, kw, c, m] = filter.shape;
  if (m === 1 && canBlock(x.graph, g)) return blockedDepthwise(x, reshape(filter, [kh, kw, c]), g);
  const weights = reshape(transpose(filter, [2, 3, 0, 1]), [c * m, 1, kh, kw]);
  const y = node('Conv', [reached(x, g), weights], [g.n, c * m, g.height.out, g.width.out], 'float32', {
    ...windowAttributes(g.height, g.width),
    group: c,
  });
  return transpose(y, [0, 2, 3, 1]);
}

function inputGradient(dy: Value, filter: Value, g: Geometry): Value {
  const [kh, kw, c, m] = filter.shape;
  const back = backwards(g);
  const direct = unstrided(g) && m === 1 && back.height.before >= 0 && back.width.before >= 0;
  if (direct && (canBlock(dy.graph, back) || (after(back.height) >= 0 && after(back.width) >= 0))) {
    return depthwise(dy, turned(filter), back);
  }
  // Each pixel's windows of dy, [pixels, taps, c, m], times the filter, summed over the taps and the multiplier.
  const pixels = g.n * g.height.size * g.width.size;
  const windows = reshape(patches(dy, outputsByTap(g.height), outputsByTap(g.width)), [pixels, kh * kw, c, m]);
  const weighted = node('Mul', [windows, reshape(filter, [1, kh * kw, c, m])], windows.shape, 'float32');
  return reshape(sum(weighted, [1, 3]), [g.n, g.height.size, g.width.size, c]);
}

/** A convolution of each image's channel with its dy: batch × channel as groups, strides and dilations exchanged. */
function filterGradient(x: Value, dy: Value, g: Geometry, m: number): Value {
  const c = g.inChannels;
  const [kh, kw] = [g.height.kernel, g.width.kernel];
  if (m === 1 && unstrided(g) && canBlock(x.graph, g)) return reshape(blockedDepthwiseFilter(x, dy, g), [kh, kw, c, 1]);
  const groups = g.n * c;
  const cut = reached(x, g);
  const image = reshape(cut, [1, groups, ...cut.shape.slice(2)]);
  const filter = reshape(transpose(dy, [0, 3, 1, 2]), [groups * m, 1, g.height.out, g.width.out]);
  const [height, width] = [g.height, g.width].map((axis, i) => byOutput({ ...axis, size: image.shape[2 + i] }));
  const attributes = { ...windowAttributes(height, width), group: groups };
  const conv = node('Conv', [image, filter], [1, groups * m, kh, kw], 'float32', attributes);
  const total = reshape(sum(reshape(conv, [g.n, c * m * kh * kw]), [0]), [c, m, kh, kw]);
  return transpose(total, [2, 3, 0, 1]);
}

function depthwiseConv({ inputs: { x, filter }, attrs }: KernelCall): Value {
  return depthwise(float(x), float(filter), geometry(x.shape, filter.shape, attrs as ConvAttrs, true));
}

export const depthwiseConvolutions: Lowerings = {
  DepthwiseConv2dNative: depthwiseConv,
  FusedDepthwiseConv2D: (call) => {
    const y = depthwiseConv(call);
    const { bias } = call.inputs;
    return activate(bias ? add(y, float(bias)) : y, (call.attrs as { activation?: string }).activation, call);
  },
  DepthwiseConv2dNativeBackpropInput: ({ inputs: { dy, filter }, attrs }) => {
    const { inputShape } = attrs as { inputShape: number[] };
    return inputGradient(dy, filter, geometry(inputShape, filter.shape, attrs as ConvAttrs, true));
  },
  DepthwiseConv2dNativeBackpropFilter: ({ inputs: { x, dy }, attrs }) => {
    const { filterShape } = attrs as { filterShape: number[] };
    return filterGradient(x, dy, geometry(x.shape, filterShape, attrs as ConvAttrs, true), filterShape[3]);
  },
};
