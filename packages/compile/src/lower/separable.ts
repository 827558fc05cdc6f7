import * as tf from '@tensorflow/tfjs-core';
import type { Graph, Value } from '../graph';
import { cast, node, reshape, transpose } from '../ops';
import type { KernelCall, Lowerings } from './lowering';
import { float } from './promote';

/*
 * Maps of images that are linear along the height and along the width, each a small matrix: resizing, average pooling.
 * Their gradients are those of @ddpm/gradients, products of matrices as well.
 */

/** rows × columns, row-major. */
interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float32Array;
}

function matrix(
  rows: number,
  columns: number,
  fill: (set: (row: number, column: number, value: number) => void) => void,
): Matrix {
  const data = new Float32Array(rows * columns);
  fill((row, column, value) => {
    data[row * columns + column] += value;
  });
  return { rows, columns, data };
}

const transposed = ({ rows, columns, data }: Matrix): Matrix =>
  matrix(columns, rows, (set) => data.forEach((value, i) => set(i % columns, Math.floor(i / columns), value)));

const constant = (graph: Graph, { rows, columns, data }: Matrix) => graph.constant(data, [rows, columns], 'float32');

/** x: [n, h, w, c] → [n, h', w', c] with y = H x Wᵀ for every image and channel. */
function apply(x: Value, height: Matrix, width: Matrix): Value {
  const [n, h, w, c] = x.shape;
  const wide = node('MatMul', [constant(x.graph, width), reshape(x, [n * h, w, c])], [n * h, width.rows, c], 'float32');
  const tall = node(
    'MatMul',
    [constant(x.graph, height), reshape(wide, [n, h, width.rows * c])],
    [n, height.rows, width.rows * c],
    'float32',
  );
  return reshape(tall, [n, height.rows, width.rows, c]);
}

interface ResizeAttrs {
  size: [number, number];
  alignCorners: boolean;
  halfPixelCenters: boolean;
}

const ratio = (from: number, to: number, alignCorners: boolean) =>
  alignCorners && to > 1 ? (from - 1) / (to - 1) : from / to;

/** Weights of the two nearest source positions, as tfjs computes them. */
function bilinear(from: number, to: number, { alignCorners, halfPixelCenters }: ResizeAttrs): Matrix {
  const step = ratio(from, to, alignCorners);
  return matrix(to, from, (set) => {
    for (let i = 0; i < to; i++) {
      const at = halfPixelCenters ? step * (i + 0.5) - 0.5 : step * i;
      const low = Math.max(0, Math.floor(at));
      const fraction = at - low;
      set(i, low, 1 - fraction);
      set(i, Math.min(from - 1, Math.ceil(at)), fraction);
    }
  });
}

function nearest(from: number, to: number, { alignCorners, halfPixelCenters }: ResizeAttrs): Matrix {
  const step = ratio(from, to, alignCorners);
  return matrix(to, from, (set) => {
    for (let i = 0; i < to; i++) {
      const at = halfPixelCenters ? step * (i + 0.5) : step * i;
      set(i, Math.max(0, Math.min(from - 1, alignCorners ? Math.round(at) : Math.floor(at))), 1);
    }
  });
}

type Weights = (from: number, to: number, attrs: ResizeAttrs) => Matrix;

function resize({ inputs: { images }, attrs }: KernelCall, weights: Weights): Value {
  const { size } = attrs as ResizeAttrs;
  const [, h, w] = images.shape;
  return apply(float(images), weights(h, size[0], attrs as ResizeAttrs), weights(w, size[1], attrs as ResizeAttrs));
}

interface PoolAttrs {
  filterSize: [number, number] | number;
  strides: [number, number] | number;
  pad: 'valid' | 'same' | number;
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

function poolInfo(shape: readonly number[], { filterSize, strides, pad, dimRoundingMode }: PoolAttrs) {
  return tf.backend_util.computePool2DInfo(
    [...shape] as [number, number, number, number],
    filterSize,
    strides,
    1,
    pad,
    dimRoundingMode,
  );
}
type PoolInfo = ReturnType<typeof poolInfo>;

/** Which inputs each window covers: 1 where it does. */
function windows(from: number, to: number, size: number, stride: number, before: number): Matrix {
  return matrix(to, from, (set) => {
    for (let i = 0; i < to; i++) {
      for (let k = 0; k < size; k++) {
        const at = i * stride - before + k;
        if (at >= 0 && at < from) set(i, at, 1);
      }
    }
  });
}

const windowsOf = (info: PoolInfo): [Matrix, Matrix] => [
  windows(info.inHeight, info.outHeight, info.effectiveFilterHeight, info.strideHeight, info.padInfo.top),
  windows(info.inWidth, info.outWidth, info.effectiveFilterWidth, info.strideWidth, info.padInfo.left),
];

/** Each row divided by how many ones it has: the mean of what lies inside the image. */
const averaged = ({ rows, columns, data }: Matrix): Matrix =>
  matrix(rows, columns, (set) => {
    for (let row = 0; row < rows; row++) {
      const line = data.subarray(row * columns, (row + 1) * columns);
      const count = line.reduce((total, value) => total + value, 0);
      line.forEach((value, column) => set(row, column, value / count));
    }
  });

function avgPool({ inputs: { x }, attrs }: KernelCall): Value {
  const [height, width] = windowsOf(poolInfo(x.shape, attrs as PoolAttrs));
  return apply(x, averaged(height), averaged(width));
}

function avgPoolGrad({ inputs: { dy, input }, attrs }: KernelCall): Value {
  const [height, width] = windowsOf(poolInfo(input.shape, attrs as PoolAttrs));
  return apply(dy, transposed(averaged(height)), transposed(averaged(width)));
}

/** ORT's MaxPool in NCHW, and where in x the maxima lie. */
function maxPoolNchw(x: Value, attrs: PoolAttrs): { y: Value; argMax: Value; info: PoolInfo } {
  const info = poolInfo(x.shape, attrs);
  const { padInfo } = info;
  const nchw = transpose(x, [0, 3, 1, 2]);
  const shape = [x.shape[0], x.shape[3], info.outHeight, info.outWidth];
  // A bottom padding that fits the output size exactly, whatever the rounding was.
  const span = (out: number, size: number, stride: number, from: number, before: number) =>
    Math.max(0, (out - 1) * stride + size - from - before);
  const bottom = span(info.outHeight, info.effectiveFilterHeight, info.strideHeight, info.inHeight, padInfo.top);
  const right = span(info.outWidth, info.effectiveFilterWidth, info.strideWidth, info.inWidth, padInfo.left);
  const [y, argMax] = x.graph.node(
    'MaxPool',
    [nchw],
    [
      { shape, dtype: 'float32' },
      { shape, dtype: 'int64' },
    ],
    {
      kernel_shape: [info.filterHeight, info.filterWidth],
      strides: [info.strideHeight, info.strideWidth],
      pads: [padInfo.top, padInfo.left, bottom, right],
    },
  );
  return { y, argMax, info };
}

/** Every window's gradient goes to its first maximum. */
function maxPoolGrad({ graph, inputs: { dy, input }, attrs }: KernelCall): Value {
  const { argMax } = maxPoolNchw(input, attrs as PoolAttrs);
  const [n, h, w, c] = input.shape;
  const size = n * h * w * c;
  const count = dy.shape.reduce((product, extent) => product * extent, 1);
  const zeros = graph.constant([0], [size], 'float32');
  const from = reshape(transpose(dy, [0, 3, 1, 2]), [count]);
  const scattered = node('ScatterElements', [zeros, reshape(argMax, [count]), from], [size], 'float32', {
    axis: 0,
    reduction: 'add',
  });
  return transpose(reshape(scattered, [n, c, h, w]), [0, 2, 3, 1]);
}

export const separable: Lowerings = {
  AvgPool: avgPool,
  AvgPoolGrad: avgPoolGrad,
  MaxPool: ({ inputs: { x }, attrs }) =>
    cast(transpose(maxPoolNchw(float(x), attrs as PoolAttrs).y, [0, 2, 3, 1]), x.dtype),
  MaxPoolGrad: maxPoolGrad,
  ResizeBilinear: (call) => resize(call, bilinear),
  ResizeNearestNeighbor: (call) => cast(resize(call, nearest), call.inputs.images.dtype),
};
