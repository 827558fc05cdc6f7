import type { Graph, Shape, Value } from '../../graph';
import { sizeOf } from '../../graph';
import { concat, full, gather, pad, reshape, slice, transpose } from '../../ops';
import type { Axis, Geometry } from './geometry';
import { after } from './geometry';

/** Filters [kh, kw, …], turned by 180°. */
export function turned(filter: Value): Value {
  const { shape } = filter;
  const rest = shape.slice(2);
  return slice(filter, [shape[0] - 1, shape[1] - 1, ...rest.map(() => 0)], shape, [-1, -1, ...rest.map(() => 1)]);
}

/** x [n, h, w, c] cut to what the windows reach, channels first. */
export function reached(x: Value, { n, height, width }: Geometry): Value {
  const cut = slice(
    x,
    [0, 0, 0, 0],
    [n, height.size + Math.min(0, after(height)), width.size + Math.min(0, after(width)), x.shape[3]],
  );
  return transpose(cut, [0, 3, 1, 2]);
}

/** Which input each output takes through each tap, −1 for padding: [out][kernel]. */
export const inputsByTap = ({ size, out, kernel, stride, dilation, before }: Axis): number[][] =>
  Array.from({ length: out }, (_, o) =>
    Array.from({ length: kernel }, (__, k) => {
      const at = o * stride + k * dilation - before;
      return at >= 0 && at < size ? at : -1;
    }),
  );

/** Which output takes each input through each tap, −1 for none: [size][kernel]. */
export const outputsByTap = ({ size, out, kernel, stride, dilation, before }: Axis): number[][] =>
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
    for (const column of columns)
      for (const y of row) for (const x of column) indices.push(y < 0 || x < 0 ? outside : y * width + x);
  return { table: graph.constant(indices, [indices.length], 'int32'), padded: indices.includes(outside) };
}

/**
 * The windows of images laid out as a matrix, so that a convolution is a product of matrices: x [n, h, w, c] →
 * [n·rows·columns, taps·c], by taking each window's pixels; those outside are taken from a pixel of zeros behind the
 * last.
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
