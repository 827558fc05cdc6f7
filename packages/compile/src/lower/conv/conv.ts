import type { Value } from '../../graph';
import { sizeOf } from '../../graph';
import { add, concat, full, matMul, node, reshape, slice, transpose } from '../../ops';
import { activate } from '../elementwise';
import type { ConvAttrs, Geometry } from './geometry';
import { backwards, geometry, pointwise, unstrided, windowAttributes } from './geometry';
import { inputsByTap, outputsByTap, patches, reached, turned } from './pixels';
import { blockedConv, canBlock } from './blocked';
import { blockedFilterGradient, canBlockFilterGradient } from './blocked-filter-gradient';
import { winogradConv, worthTiling } from './winograd';
import type { KernelCall, Lowerings } from '../lowering';
import { float } from '../promote';

const toLast = (x: Value, format?: string) => (format === 'NCHW' ? transpose(x, [0, 2, 3, 1]) : x);
const fromLast = (x: Value, format?: string) => (format === 'NCHW' ? transpose(x, [0, 3, 1, 2]) : x);
const lastShape = (shape: readonly number[], format?: string) =>
  format === 'NCHW' ? [shape[0], shape[2], shape[3], shape[1]] : shape;

/** [kh, kw, a, b] turned by 180° with its channels swapped: [kh, kw, b, a]. */
const flipped = (filter: Value) => transpose(turned(filter), [0, 1, 3, 2]);

/** ONNX's own Conv, in NCHW: what other runtimes know best. */
function standardConv(x: Value, filter: Value, g: Geometry): Value {
  const y = node(
    'Conv',
    [reached(x, g), transpose(filter, [3, 2, 0, 1])],
    [g.n, g.outChannels, g.height.out, g.width.out],
    'float32',
    windowAttributes(g.height, g.width),
  );
  return transpose(y, [0, 2, 3, 1]);
}

const fastConv = (x: Value, filter: Value, g: Geometry) =>
  worthTiling(g) && !x.graph.target.compact ? winogradConv(x, filter, g) : blockedConv(x, filter, g);

/** x [n, h, w, ci] * filter [kh, kw, ci, co] → [n, h', w', co]. */
function convolve(x: Value, filter: Value, g: Geometry): Value {
  const shape = [g.n, g.height.out, g.width.out, g.outChannels];
  const pixels = g.n * g.height.out * g.width.out;
  if (pointwise(g))
    return reshape(matMul(reshape(x, [pixels, g.inChannels]), reshape(filter, [g.inChannels, g.outChannels])), shape);
  if (canBlock(x.graph, g)) return fastConv(x, filter, g);
  if (!x.graph.target.contrib) return standardConv(x, filter, g);
  const windows = patches(x, inputsByTap(g.height), inputsByTap(g.width));
  return reshape(matMul(windows, reshape(filter, [windows.shape[1], g.outChannels])), shape);
}

/** dx [n, h, w, ci] of dy [n, h', w', co]. */
function inputGradient(dy: Value, filter: Value, g: Geometry): Value {
  const shape = [g.n, g.height.size, g.width.size, g.inChannels];
  const pixels = g.n * g.height.size * g.width.size;
  if (pointwise(g))
    return reshape(
      matMul(reshape(dy, [pixels, g.outChannels]), reshape(filter, [g.inChannels, g.outChannels]), false, true),
      shape,
    );
  if (unstrided(g)) {
    const back = backwards(g);
    if (canBlock(dy.graph, back)) return fastConv(dy, flipped(filter), back);
  }
  return byPhase(dy, filter, g);
}

/**
 * With strides, pixels of different phases (their place modulo the stride) go into dy through different taps, and
 * through no others: so each phase is a product of matrices of its own, and the phases are put together again.
 */
function byPhase(dy: Value, filter: Value, g: Geometry): Value {
  const { height, width, inChannels, outChannels } = g;
  const [phasesY, phasesX] = [height, width].map(({ stride, size }) => (size % stride === 0 ? stride : 1));
  const rows = outputsByTap(height);
  const columns = outputsByTap(width);
  const every = (table: number[][], phases: number, phase: number) => table.filter((_, i) => i % phases === phase);
  /** The taps through which any of these pixels is taken. */
  const taps = (table: number[][]) =>
    table[0].map((_, tap) => tap).filter((tap) => table.some((outputs) => outputs[tap] >= 0));

  const strips = Array.from({ length: phasesY }, (_, phaseY) => {
    const parts = Array.from({ length: phasesX }, (__, phaseX) => {
      const [tableY, tableX] = [every(rows, phasesY, phaseY), every(columns, phasesX, phaseX)];
      const [tapsY, tapsX] = [taps(tableY), taps(tableX)];
      const shape = [g.n, tableY.length, tableX.length, inChannels];
      if (tapsY.length === 0 || tapsX.length === 0) return full(dy.graph, shape, 0);
      const pick = (table: number[][], kept: number[]) => table.map((outputs) => kept.map((tap) => outputs[tap]));
      const windows = patches(dy, pick(tableY, tapsY), pick(tableX, tapsX));
      const weights = pickTaps(filter, tapsY, tapsX);
      return reshape(
        matMul(
          windows,
          reshape(transpose(weights, [0, 1, 3, 2]), [tapsY.length * tapsX.length * outChannels, inChannels]),
        ),
        shape,
      );
    });
    // Pixels of neighbouring phases lie beside each other.
    const [n, h, w] = parts[0].shape;
    return reshape(concat(parts, 3), [n, h, 1, w * phasesX * inChannels]);
  });
  return reshape(concat(strips, 2), [g.n, height.size, width.size, inChannels]);
}

/** Some rows and columns of a filter, evenly spaced as those of one phase are. */
function pickTaps(filter: Value, tapsY: number[], tapsX: number[]): Value {
  const step = (taps: number[]) => (taps.length > 1 ? taps[1] - taps[0] : 1);
  const [, , a, b] = filter.shape;
  return slice(
    filter,
    [tapsY[0], tapsX[0], 0, 0],
    [tapsY.length, tapsX.length, a, b],
    [step(tapsY), step(tapsX), 1, 1],
  );
}

/** Of which side the windows take less to copy: x's around each output, or dy's around each input. */
function fewerWindows({ height, width, inChannels, outChannels }: Geometry): 'x' | 'dy' {
  return height.out * width.out * inChannels <= height.size * width.size * outChannels ? 'x' : 'dy';
}

/** dFilter [kh, kw, ci, co] of x and dy. */
function filterGradient(x: Value, dy: Value, g: Geometry): Value {
  const [kh, kw] = [g.height.kernel, g.width.kernel];
  const { inChannels: ci, outChannels: co } = g;
  const inside = sizeOf(x.shape.slice(0, 3));
  const outside = sizeOf(dy.shape.slice(0, 3));
  const [xRows, dyRows] = [reshape(x, [inside, ci]), reshape(dy, [outside, co])];
  if (pointwise(g)) return reshape(matMul(xRows, dyRows, true, false), [1, 1, ci, co]);
  if (canBlockFilterGradient(x.graph, g)) return blockedFilterGradient(x, dy, g);
  // The windows as the first factor, which leaves little of the second to pack.
  if (fewerWindows(g) === 'x') {
    const gradient = matMul(patches(x, inputsByTap(g.height), inputsByTap(g.width)), dyRows, true, false);
    return reshape(gradient, [kh, kw, ci, co]);
  }
  const gradient = matMul(patches(dy, outputsByTap(g.height), outputsByTap(g.width)), xRows, true, false);
  return transpose(reshape(gradient, [kh, kw, co, ci]), [0, 1, 3, 2]);
}

function conv2d({ inputs: { x, filter }, attrs }: KernelCall): Value {
  const { dataFormat } = attrs as ConvAttrs;
  const last = toLast(x, dataFormat);
  return fromLast(
    convolve(float(last), float(filter), geometry(last.shape, filter.shape, attrs as ConvAttrs)),
    dataFormat,
  );
}

export const convolutions: Lowerings = {
  Conv2D: conv2d,
  FusedConv2D: (call) => {
    const y = conv2d(call);
    const { bias } = call.inputs;
    return activate(bias ? add(y, float(bias)) : y, (call.attrs as { activation?: string }).activation, call);
  },
  Conv2DBackpropInput: ({ inputs: { dy, filter }, attrs }) => {
    const { inputShape, dataFormat } = attrs as ConvAttrs & { inputShape: number[] };
    const g = geometry(lastShape(inputShape, dataFormat), filter.shape, attrs as ConvAttrs);
    return fromLast(inputGradient(toLast(dy, dataFormat), filter, g), dataFormat);
  },
  Conv2DBackpropFilter: ({ inputs: { x, dy }, attrs }) => {
    const { filterShape, dataFormat } = attrs as ConvAttrs & { filterShape: number[] };
    const last = toLast(x, dataFormat);
    return filterGradient(last, toLast(dy, dataFormat), geometry(last.shape, filterShape, attrs as ConvAttrs));
  },
};
