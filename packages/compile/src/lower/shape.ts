import * as tf from '@tensorflow/tfjs-core';
import type { Value } from '../graph';
import { sizeOf } from '../graph';
import {
  add,
  binary,
  cast,
  concat,
  expand,
  gather,
  int64s,
  node,
  pad,
  parseAxes,
  reshape,
  scalar,
  slice,
  split,
  transpose,
  sub,
  where,
  compare,
} from '../ops';
import type { KernelCall, Lowerings } from './lowering';
import { numeric, promoted } from './promote';

const normal = (axis: number, rank: number) => (axis < 0 ? axis + rank : axis);

function stridedSlice({ inputs: { x }, attrs }: KernelCall): Value {
  const { begin, end, strides, beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask } = attrs as Record<
    string,
    number
  > &
    Record<'begin' | 'end' | 'strides', number[]>;
  const info = tf.slice_util.sliceInfo(
    [...x.shape],
    begin,
    end,
    strides,
    beginMask,
    endMask,
    ellipsisMask,
    newAxisMask,
    shrinkAxisMask,
  );
  const sizes = info.begin.map((from, i) => Math.max(0, Math.ceil((info.end[i] - from) / info.strides[i])));
  if (sizes.includes(0)) return x.graph.constant([], info.finalShape, x.dtype);
  return reshape(slice(x, info.begin, sizes, info.strides), info.finalShape);
}

function tile(x: Value, reps: readonly number[]): Value {
  if (reps.every((count) => count === 1)) return x;
  const shape = x.shape.map((size, i) => size * reps[i]);
  // Repeating axes of size 1 is broadcasting, which later operators need not carry out.
  if (reps.every((count, i) => count === 1 || x.shape[i] === 1)) return expand(x, shape);
  return node('Tile', [x, int64s(x.graph, reps)], shape, x.dtype);
}

/**
 * tfjs's indices count from the beginning alone, and one that is outside is an error. ORT would count a negative one
 * from the end: it becomes one that ORT refuses too.
 * @param sizes of the axes that the indices, in their last axis if these are several, point into
 */
function inside(name: string, indices: Value, sizes: readonly number[]): Value {
  const { data } = indices.node;
  if (!data) {
    const size =
      sizes.length === 1
        ? scalar(indices.graph, sizes[0], 'int32')
        : indices.graph.constant(sizes, [sizes.length], 'int32');
    return where(compare('Less', indices, 0), sub(indices, size), indices);
  }
  for (const [axis, size] of sizes.entries()) {
    const wrong = data.find(
      (index, i) => (data.length === 1 || i % sizes.length === axis) && !(index >= 0 && index < size),
    );
    if (wrong !== undefined) throw new RangeError(`${name}: the index ${wrong} is not in [0, ${size - 1}]`);
  }
  return indices;
}

/**
 * Like numpy's take along an axis; with batchDims, each batch takes from its own slice, by offsets into the flattened
 * batches.
 */
function gatherV2({ inputs, attrs }: KernelCall): Value {
  const { x } = inputs;
  const { batchDims = 0 } = attrs as { batchDims?: number };
  const axis = normal((attrs as { axis: number }).axis, x.shape.length);
  const indices = inside('gather', cast(inputs.indices, 'int32'), [x.shape[axis]]);
  if (batchDims === 0) return gather(x, indices, axis);
  const batch = sizeOf(x.shape.slice(0, batchDims));
  const outer = sizeOf(x.shape.slice(batchDims, axis));
  const [extent, inner] = [x.shape[axis], x.shape.slice(axis + 1)];
  const count = sizeOf(indices.shape) / batch;
  const offsets = Int32Array.from({ length: batch * outer }, (_, i) => i * extent);
  const taken = reshape(indices, [batch, 1, count]);
  // One that is outside its own batch must not lead into another's.
  const outside = binary('Or', compare('Less', taken, 0), compare('GreaterOrEqual', taken, extent), 'bool');
  const total = batch * outer * extent;
  const rowIndices = where(
    outside,
    scalar(x.graph, total, 'int32'),
    add(taken, x.graph.constant(offsets, [batch, outer, 1], 'int32')),
  );
  const rows = gather(reshape(x, [batch * outer * extent, sizeOf(inner)]), rowIndices, 0);
  return reshape(rows, [...x.shape.slice(0, axis), ...indices.shape.slice(batchDims), ...inner]);
}

function oneHot({ graph, inputs: { indices }, attrs }: KernelCall): Value {
  const {
    depth,
    onValue,
    offValue,
    dtype = 'int32',
  } = attrs as { depth: number; onValue: number; offValue: number; dtype?: 'float32' | 'int32' | 'bool' };
  const classes = graph.constant(
    Int32Array.from({ length: depth }, (_, i) => i),
    [depth],
    'int32',
  );
  const hit = compare('Equal', reshape(cast(indices, 'int32'), [...indices.shape, 1]), classes);
  const type = dtype === 'bool' ? 'int32' : dtype;
  return cast(where(hit, scalar(graph, onValue, type), scalar(graph, offValue, type)), dtype);
}

/** Sums of the rows with each segment's number, as ScatterND with addition; rows with other numbers count for none. */
function segmentSum({ graph, inputs: { x: summed, segmentIds }, attrs }: KernelCall): Value {
  const x = numeric(summed);
  const { numSegments } = attrs as { numSegments: number };
  const idShape = segmentIds.shape;
  const inner = x.shape.slice(idShape.length);
  const count = sizeOf(idShape);
  const inside = node(
    'And',
    [compare('GreaterOrEqual', segmentIds, 0), compare('Less', segmentIds, numSegments)],
    idShape,
    'bool',
  );
  // One more segment takes what belongs to none, and is cut off.
  const ids = reshape(cast(where(inside, segmentIds, scalar(graph, numSegments, 'int32')), 'int64'), [count, 1]);
  const zeros = graph.constant([0], [numSegments + 1, ...inner], x.dtype);
  const sums = node('ScatterND', [zeros, ids, reshape(x, [count, ...inner])], [numSegments + 1, ...inner], x.dtype, {
    reduction: 'add',
  });
  return slice(sums, [0, ...inner.map(() => 0)], [numSegments, ...inner]);
}

function reverse(x: Value, axes: readonly number[]): Value {
  const flips = axes.filter((axis) => x.shape[axis] > 1);
  if (flips.length === 0) return x;
  return slice(
    x,
    x.shape.map((size, i) => (flips.includes(i) ? size - 1 : 0)),
    x.shape,
    x.shape.map((_, i) => (flips.includes(i) ? -1 : 1)),
  );
}

/** Mirroring by taking: an index for each position of the padded axis. */
function mirrorPad({ inputs: { x }, attrs }: KernelCall): Value {
  const { paddings, mode } = attrs as { paddings: [number, number][]; mode: 'reflect' | 'symmetric' };
  const offset = mode === 'reflect' ? 0 : 1;
  return paddings.reduce((value, [before, after], axis) => {
    if (before === 0 && after === 0) return value;
    const size = value.shape[axis];
    const sources = Int32Array.from({ length: before + size + after }, (_, i) => {
      const at = i - before;
      return at < 0 ? -at - offset : at >= size ? 2 * (size - 1) - at + offset : at;
    });
    return gather(value, value.graph.constant(sources, [sources.length], 'int32'), axis);
  }, x);
}

function spaceToBatch({ inputs: { x }, attrs }: KernelCall): Value {
  const { blockShape, paddings } = attrs as { blockShape: number[]; paddings: [number, number][] };
  const blocks = blockShape.length;
  const rest = x.shape.slice(1 + blocks);
  const padded = pad(
    x,
    [0, ...paddings.map(([before]) => before), ...rest.map(() => 0)],
    [0, ...paddings.map(([, after]) => after), ...rest.map(() => 0)],
  );
  const [batch, ...spatial] = padded.shape.slice(0, 1 + blocks);
  const cells = spatial.map((size, i) => size / blockShape[i]);
  const inBlocks = reshape(padded, [batch, ...cells.flatMap((count, i) => [count, blockShape[i]]), ...rest]);
  const perm = [
    ...cells.map((_, i) => 2 * i + 2),
    0,
    ...cells.map((_, i) => 2 * i + 1),
    ...rest.map((_, i) => 1 + 2 * blocks + i),
  ];
  return reshape(transpose(inBlocks, perm), [batch * sizeOf(blockShape), ...cells, ...rest]);
}

function batchToSpace({ inputs: { x }, attrs }: KernelCall): Value {
  const { blockShape, crops } = attrs as { blockShape: number[]; crops: [number, number][] };
  const blocks = blockShape.length;
  const batch = x.shape[0] / sizeOf(blockShape);
  const spatial = x.shape.slice(1, 1 + blocks);
  const rest = x.shape.slice(1 + blocks);
  const inBlocks = reshape(x, [...blockShape, batch, ...spatial, ...rest]);
  const perm = [blocks, ...spatial.flatMap((_, i) => [blocks + 1 + i, i]), ...rest.map((_, i) => 2 * blocks + 1 + i)];
  const whole = reshape(transpose(inBlocks, perm), [batch, ...spatial.map((size, i) => size * blockShape[i]), ...rest]);
  const size = [batch, ...spatial.map((extent, i) => extent * blockShape[i] - crops[i][0] - crops[i][1]), ...rest];
  return slice(whole, [0, ...crops.map(([before]) => before), ...rest.map(() => 0)], size);
}

/** Channels become pixels: [n, h, w, b²·c] → [n, h·b, w·b, c]. */
function depthToSpace({ inputs: { x }, attrs }: KernelCall): Value {
  const { blockSize: b, dataFormat } = attrs as { blockSize: number; dataFormat: string };
  const last = dataFormat === 'NCHW' ? transpose(x, [0, 2, 3, 1]) : x;
  const [n, h, w, c] = last.shape;
  const inBlocks = transpose(reshape(last, [n, h, w, b, b, c / b / b]), [0, 1, 3, 2, 4, 5]);
  const y = reshape(inBlocks, [n, h * b, w * b, c / b / b]);
  return dataFormat === 'NCHW' ? transpose(y, [0, 3, 1, 2]) : y;
}

function range(start: number, stop: number, step: number): number[] {
  const count = Math.max(0, Math.ceil((stop - start) / step));
  return Array.from({ length: count }, (_, i) => start + i * step);
}

/** The k largest along the last axis, in descending order, and where they are. */
function topK({ inputs, attrs }: KernelCall): Value[] {
  const x = numeric(inputs.x);
  const { k } = attrs as { k: number };
  const shape = [...x.shape.slice(0, -1), k];
  const outputs = [
    { shape, dtype: x.dtype },
    { shape, dtype: 'int64' as const },
  ];
  const [values, indices] = x.graph.node('TopK', [x, int64s(x.graph, [k])], outputs, { axis: x.shape.length - 1 });
  return [cast(values, inputs.x.dtype), cast(indices, 'int32')];
}

export const shapes: Lowerings = {
  Reshape: ({ inputs: { x }, attrs }) => {
    const { shape } = attrs as { shape: number[] };
    const known = sizeOf(shape.filter((size) => size !== -1));
    return reshape(
      x,
      shape.map((size) => (size === -1 ? sizeOf(x.shape) / known : size)),
    );
  },
  ExpandDims: ({ inputs: { input }, attrs }) => {
    const at = normal((attrs as { dim: number }).dim, input.shape.length + 1);
    return reshape(input, [...input.shape.slice(0, at), 1, ...input.shape.slice(at)]);
  },
  Transpose: ({ inputs: { x }, attrs }) => transpose(x, (attrs as { perm: number[] }).perm),
  Slice: ({ inputs: { x }, attrs }) => {
    const { begin, size } = attrs as { begin: number | number[]; size: number | number[] };
    const [from, extent] = tf.slice_util.parseSliceParams(
      { shape: [...x.shape], rank: x.shape.length } as tf.Tensor,
      begin,
      size,
    );
    if (sizeOf(extent) === 0) return x.graph.constant([], extent, x.dtype);
    return slice(x, from, extent);
  },
  StridedSlice: stridedSlice,
  Concat: ({ all, attrs }) => concat(promoted(all), normal((attrs as { axis: number }).axis, all[0].shape.length)),
  SplitV: ({ inputs: { x }, attrs }) => {
    const { numOrSizeSplits, axis } = attrs as { numOrSizeSplits: number | number[]; axis: number };
    const at = normal(axis, x.shape.length);
    const sizes = tf.backend_util.prepareSplitSize({ shape: [...x.shape] } as tf.Tensor, numOrSizeSplits, at);
    return [...split(x, sizes, at)];
  },
  Pack: ({ all, attrs }) => {
    const types = new Set(all.map(({ dtype }) => dtype));
    if (types.size > 1)
      throw new TypeError(`stack: expected tensors of one type, got ${[...types].join(' and ')}; cast them first`);
    const at = normal((attrs as { axis: number }).axis, all[0].shape.length + 1);
    const unsqueezed = all.map((value) => reshape(value, [...value.shape.slice(0, at), 1, ...value.shape.slice(at)]));
    return concat(unsqueezed, at);
  },
  Unpack: ({ inputs: { value }, attrs }) => {
    const at = normal((attrs as { axis: number }).axis, value.shape.length);
    const parts = split(value, Array<number>(value.shape[at]).fill(1), at);
    return parts.map((part) =>
      reshape(
        part,
        value.shape.filter((_, i) => i !== at),
      ),
    );
  },
  Tile: ({ inputs: { x }, attrs }) => tile(x, (attrs as { reps: number[] }).reps),
  PadV2: ({ inputs: { x }, attrs }) => {
    const { paddings, constantValue } = attrs as { paddings: [number, number][]; constantValue: number };
    return pad(
      x,
      paddings.map(([before]) => before),
      paddings.map(([, after]) => after),
      constantValue,
    );
  },
  MirrorPad: mirrorPad,
  Reverse: ({ inputs: { x }, attrs }) =>
    reverse(x, parseAxes((attrs as { dims: number | number[] }).dims, x.shape.length)),
  GatherV2: gatherV2,
  GatherNd: ({ inputs: { params, indices } }) => {
    const depth = indices.shape.at(-1)!;
    const checked = cast(inside('gatherND', cast(indices, 'int32'), params.shape.slice(0, depth)), 'int64');
    return node(
      'GatherND',
      [params, checked],
      [...indices.shape.slice(0, -1), ...params.shape.slice(depth)],
      params.dtype,
    );
  },
  ScatterNd: ({ graph, inputs: { indices, updates }, attrs }) => {
    const { shape } = attrs as { shape: number[] };
    const checked = cast(inside('scatterND', cast(indices, 'int32'), shape.slice(0, indices.shape.at(-1))), 'int64');
    const added = numeric(updates);
    return node('ScatterND', [graph.constant([0], shape, added.dtype), checked, added], shape, added.dtype, {
      reduction: 'add',
    });
  },
  UnsortedSegmentSum: segmentSum,
  OneHot: oneHot,
  TopK: topK,
  SpaceToBatchND: spaceToBatch,
  BatchToSpaceND: batchToSpace,
  DepthToSpace: depthToSpace,
  Range: ({ graph, attrs }) => {
    const { start, stop, step, dtype } = attrs as {
      start: number;
      stop: number;
      step: number;
      dtype?: 'float32' | 'int32';
    };
    const values = range(start, stop, step);
    return graph.constant(values, [values.length], dtype ?? 'float32');
  },
  LinSpace: ({ graph, attrs }) => {
    const { start, stop, num } = attrs as { start: number; stop: number; num: number };
    return graph.constant(
      Array.from({ length: num }, (_, i) => start + ((stop - start) * i) / Math.max(1, num - 1)),
      [num],
      'float32',
    );
  },
};
