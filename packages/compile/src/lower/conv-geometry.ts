import * as tf from '@tensorflow/tfjs-core';
import type { Attributes, Graph, Shape, Value } from '../graph';
import { sizeOf } from '../graph';
import { concat, full, gather, pad, reshape, slice, transpose } from '../ops';

/** A convolution along one axis. */
export interface Axis {
  readonly size: number;
  readonly out: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  /** Zeros before the first element; those behind the last follow from the rest. */
  readonly before: number;
}

/** A 2-D convolution of [n, h, w, inChannels] to [n, h', w', outChannels]. */
export interface Geometry {
  readonly n: number;
  readonly height: Axis;
  readonly width: Axis;
  readonly inChannels: number;
  readonly outChannels: number;
}

export interface ConvAttrs {
  strides: [number, number] | number;
  pad: 'valid' | 'same' | number | tf.backend_util.ExplicitPadding;
  dilations?: [number, number] | number;
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
  dataFormat?: 'NHWC' | 'NCHW';
}

export function geometry(input: Shape, filter: Shape, attrs: ConvAttrs, depthwise = false): Geometry {
  const { strides, pad: padding, dilations = 1, dimRoundingMode } = attrs;
  type Shape4 = [number, number, number, number];
  const info = tf.backend_util.computeConv2DInfo(
    [...input] as Shape4,
    [...filter] as Shape4,
    strides,
    dilations,
    padding,
    dimRoundingMode,
    depthwise,
  );
  return {
    n: info.batchSize,
    height: {
      size: info.inHeight,
      out: info.outHeight,
      kernel: info.filterHeight,
      stride: info.strideHeight,
      dilation: info.dilationHeight,
      before: info.padInfo.top,
    },
    width: {
      size: info.inWidth,
      out: info.outWidth,
      kernel: info.filterWidth,
      stride: info.strideWidth,
      dilation: info.dilationWidth,
      before: info.padInfo.left,
    },
    inChannels: info.inChannels,
    outChannels: info.outChannels,
  };
}

export const unstrided = ({ height, width }: Geometry): boolean =>
  [height, width].every(({ stride, dilation }) => stride === 1 && dilation === 1);
export const pointwise = (g: Geometry): boolean =>
  [g.height, g.width].every(({ kernel, stride, before, size, out }) => kernel === 1 && stride === 1 && before === 0 && size === out);

/** Zeros behind the last element, so that exactly `out` windows fit; negative where elements at the end are in no window. */
export const after = ({ size, out, kernel, stride, dilation, before }: Axis): number =>
  (out - 1) * stride + (kernel - 1) * dilation + 1 - size - before;

/** What ONNX's Conv is told of a geometry. It has no negative padding: elements that no window reaches must have been cut off. */
export const windowAttributes = (height: Axis, width: Axis): Attributes => ({
  kernel_shape: [height.kernel, width.kernel],
  strides: [height.stride, width.stride],
  dilations: [height.dilation, width.dilation],
  pads: [height.before, width.before, Math.max(0, after(height)), Math.max(0, after(width))],
});

/** x [n, h, w, c] cut to what the windows reach, channels first. */
export function reached(x: Value, { n, height, width }: Geometry): Value {
  const cut = slice(x, [0, 0, 0, 0], [n, height.size + Math.min(0, after(height)), width.size + Math.min(0, after(width)), x.shape[3]]);
  return transpose(cut, [0, 3, 1, 2]);
}

/** The convolution of x with dy as the filter, which is dFilter: strides and dilations are exchanged. */
export const byOutput = ({ size, out, kernel, stride, dilation, before }: Axis): Axis => ({
  size,
  out: kernel,
  kernel: out,
  stride: dilation,
  dilation: stride,
  before,
});

/** The convolution that leads from dy back to dx, where the strides are 1: the same taps, turned around. */
export function backwards({ n, height, width, inChannels, outChannels }: Geometry): Geometry {
  const turn = ({ size, out, kernel, stride, dilation, before }: Axis): Axis => ({
    size: out,
    out: size,
    kernel,
    stride,
    dilation,
    before: kernel - 1 - before,
  });
  return { n, height: turn(height), width: turn(width), inChannels: outChannels, outChannels: inChannels };
}

/** Which input each output sees through each tap, −1 for padding: [out][kernel]. */
export const seen = ({ size, out, kernel, stride, dilation, before }: Axis): number[][] =>
  Array.from({ length: out }, (_, o) =>
    Array.from({ length: kernel }, (__, k) => {
      const at = o * stride + k * dilation - before;
      return at >= 0 && at < size ? at : -1;
    }),
  );

/** Which output sees each input through each tap, −1 for none: [size][kernel]. */
export const seeing = ({ size, out, kernel, stride, dilation, before }: Axis): number[][] =>
  Array.from({ length: size }, (_, i) =>
    Array.from({ length: kernel }, (__, k) => {
      const at = (i + before - k * dilation) / stride;
      return Number.isInteger(at) && at >= 0 && at < out ? at : -1;
    }),
  );

function indexTable(
  graph: Graph,
  rows: number[][],
  columns: number[][],
  width: number,
  outside: number,
): { table: Value; padded: boolean } {
  const indices: number[] = [];
  for (const row of rows)
    for (const column of columns) for (const y of row) for (const x of column) indices.push(y < 0 || x < 0 ? outside : y * width + x);
  return { table: graph.constant(indices, [indices.length], 'int32'), padded: indices.includes(outside) };
}

/**
 * The windows of images laid out as a matrix, so that a convolution is a product of matrices: x [n, h, w, c] →
 * [n·rows·columns, taps·c], by taking each window's pixels; those outside are taken from a pixel of zeros behind the last.
 */
export function patches(x: Value, rows: number[][], columns: number[][]): Value {
  const [n, h, w, c] = x.shape;
  const { table, padded } = indexTable(x.graph, rows, columns, w, h * w);
  const flat = reshape(x, [n, h * w, c]);
  const taken = gather(padded ? pad(flat, [0, 0, 0], [0, 1, 0]) : flat, table, 1);
  return reshape(taken, [n * rows.length * columns.length, sizeOf(taken.shape) / n / rows.length / columns.length]);
}

/** The index of each pixel of images [n, h, w, …]; that of those outside is behind the last. */
export const pixelIndex =
  ([n, h, w]: Shape) =>
  (image: number, row: number, column: number): number =>
    row >= 0 && row < h && column >= 0 && column < w ? (image * h + row) * w + column : n * h * w;

interface Table {
  /** Undefined where every pixel is taken once, in order. */
  readonly indices?: Value;
  readonly outside: boolean;
}
const tables = new WeakMap<Graph, Map<string, Table>>();

/**
 * Pixels of x [n, h, w, c] by their index, zeros where that is behind the last: [pixels, c].
 * @param key what the indices follow from besides the shape of x: they are made once
 */
export function take(x: Value, key: string, makeIndices: () => number[]): Value {
  const { graph } = x;
  const [n, h, w, c] = x.shape;
  const behind = n * h * w;
  const all = reshape(x, [behind, c]);
  if (!tables.has(graph)) tables.set(graph, new Map());
  const known = tables.get(graph)!;
  const name = `${n},${h},${w}|${key}`;
  let table = known.get(name);
  if (!table) {
    const indices = makeIndices();
    const inOrder = indices.length === behind && indices.every((index, i) => index === i);
    table = {
      outside: indices.includes(behind),
      indices: inOrder ? undefined : graph.constant(indices, [indices.length], 'int32'),
    };
    known.set(name, table);
  }
  if (!table.indices) return all;
  return gather(table.outside ? concat([all, full(graph, [1, c], 0)], 0) : all, table.indices, 0);
}
