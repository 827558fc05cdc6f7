import type { Graph, Value } from '../../graph';
import { sizeOf } from '../../graph';
import { nchwc, node, pad, reshape, slice, transpose } from '../../ops';
import { roundUp } from './blocked';
import type { Axis, Geometry } from './geometry';
import { backwards, unstrided } from './geometry';
import { pixelIndex, take, turned } from './pixels';
import { fromPoints, pixelsAtPoints, points, tapsAtPoints, tile, tilesOf, worthTiling } from './winograd';

/*
 * The gradient of a filter is a convolution as well: one that sums over images and pixels, and whose results are the
 * taps. So that it runs on blocked channels without a copy of every window,
 *   - the blocks are made of images, and of strips of rows where there are fewer images than a block has places;
 *   - a tap to the right is one pixel, hence `channels` elements further in a row as it lies in memory: the width of
 *     the image is
 *     pixels × channels, its dilation the channels;
 *   - strips are cut into parts of a few rows, which are further channels, so that the part of the filter that an inner
 *     loop goes through
 *     stays in the cache.
 * Of Winograd's tiles along the width, what is summed is the product at each point, where a tile's outputs are the taps
 * of a filter, F(3, 4).
 */

/** Bytes that an inner loop should find in the second-level cache, and at most how many it may go through. */
const targetBytes = 2 ** 18;
const maxBytes = 2 ** 19;

/** The bytes that an inner loop goes through for each row: the filters of four blocks. */
const rowBytes = ({ target: { block } }: Graph, columns: number) => 4 * block * columns * block * 4;

export function canBlockFilterGradient(graph: Graph, g: Geometry): boolean {
  const { height, width } = g;
  return (
    graph.target.block > 0 &&
    height.dilation === 1 &&
    width.dilation === 1 &&
    g.n * height.out * width.out > 0 &&
    rowBytes(graph, width.out) <= maxBytes
  );
}

/** dFilter [kh, kw, ci, co] of x [n, h, w, ci] and dy [n, h', w', co]. For dilations of 1. */
export function blockedFilterGradient(x: Value, dy: Value, g: Geometry): Value {
  const { block } = x.graph.target;
  const { inChannels: ci, outChannels: co } = g;
  // Either may be the image and the other the filter, whose channels are filled up to whole blocks.
  const back = backwards(g);
  if (
    unstrided(g) &&
    roundUp(ci, block) * co < roundUp(co, block) * ci &&
    rowBytes(x.graph, back.width.out) <= maxBytes
  ) {
    return transpose(turned(correlation(dy, x, back)), [0, 1, 3, 2]);
  }
  return correlation(x, dy, g);
}

/** The columns of an image that the windows cover, and those of the filter, both once for each point of Winograd's. */
function columnsOf(width: Axis, tiled: boolean): { image: number[][]; filter: number[][] } {
  const range = (length: number, from: number, step: number) => Array.from({ length }, (_, i) => from + i * step);
  if (!tiled)
    return {
      image: [range((width.out - 1) * width.stride + width.kernel, -width.before, 1)],
      filter: [range(width.out, 0, 1)],
    };
  const tiles = tilesOf(width);
  return {
    image: range(points, -width.before, 1).map((first) => range(tiles, first, tile)),
    filter: range(tile, 0, 1).map((first) => range(tiles, first, tile)),
  };
}

/**
 * The pixels of x [n, h, w, c] where rows and columns cross: [lists of columns, n, rows, columns, c], zeros outside.
 */
function crossings(x: Value, rows: readonly number[], lists: readonly (readonly number[])[]): Value {
  const [n, , , c] = x.shape;
  const pixel = pixelIndex(x.shape);
  const taken = take(x, `${rows.join()}|${lists.map((columns) => columns.join()).join('|')}`, () => {
    const indices: number[] = [];
    for (const columns of lists)
      for (let i = 0; i < n; i++)
        for (const row of rows) for (const column of columns) indices.push(pixel(i, row, column));
    return indices;
  });
  return reshape(taken, [lists.length, n, rows.length, lists[0].length, c]);
}

/** x [groups, images, pixels, c] → [groups, c/B, images/B, pixels, B images, B channels] in memory. */
function pairedBlocks(x: Value): Value {
  const { block } = x.graph.target;
  const [groups, images, pixels, channels] = x.shape;
  const whole = roundUp(channels, block);
  const image = pad(x, [0, 0, 0, 0], [0, 0, 0, roundUp(channels, 4) - channels]);
  const inBlocks = node(
    'ReorderInput',
    [image],
    [groups, whole, images, pixels],
    'float32',
    { channels_last: 1 },
    nchwc,
  );
  // B images are moved inwards as if they, with the channels of a block, were blocks of channels.
  const pairs = block * block;
  const outer = (groups * whole * images) / pairs;
  const attributes = { channels: pairs, channels_last: 1 };
  return node(
    'ReorderOutput',
    [reshape(inBlocks, [outer, pairs, 1, pixels])],
    [outer, 1, pixels, pairs],
    'float32',
    attributes,
    nchwc,
  );
}

/** Σ over images and pixels p of image[p · stride + tap − before, a] · filter[p, b]: [kh, kw, a, b]. */
function correlation(image: Value, filter: Value, g: Geometry): Value {
  const { graph } = image;
  const { block } = graph.target;
  const { n, height, width, inChannels, outChannels } = g;
  const tiled = worthTiling(g);
  const columns = columnsOf(width, tiled);
  const [groups, imageColumns, filterColumns] = [
    columns.image.length,
    columns.image[0].length,
    columns.filter[0].length,
  ];

  const strips = block / commonDivisor(n, block);
  const stripRows = Math.ceil(height.out / strips);
  const partRows = largestDivisor(stripRows, targetBytes / rowBytes(graph, filterColumns));
  const parts = stripRows / partRows;
  const channels = n * strips * parts;
  const windowRows = (partRows - 1) * height.stride + height.kernel;

  const firsts = Array.from({ length: strips * parts }, (_, part) => part * partRows * height.stride - height.before);
  const imageRows = firsts.flatMap((first) => Array.from({ length: windowRows }, (_, row) => first + row));
  const filterRows = Array.from({ length: strips * stripRows }, (_, row) => row);
  const windows = reshape(crossings(image, imageRows, columns.image), [
    groups,
    n * strips,
    parts * windowRows,
    imageColumns * inChannels,
  ]);
  const values = tiled ? pixelsAtPoints(windows) : windows;
  const blockedImage = node('ReorderInput', [values], values.shape, 'float32', { channels_last: 0 }, nchwc);

  const whole = roundUp(outChannels, block);
  const pixels = crossings(filter, filterRows, columns.filter);
  const factors = reshape(tiled ? tapsAtPoints(pixels) : pixels, [
    groups,
    n * strips,
    stripRows * filterColumns,
    outChannels,
  ]);

  const [kernel, dilation] = tiled ? [1, 1] : [width.kernel, width.stride];
  const y = node(
    'Conv',
    [
      reshape(blockedImage, [1, groups * channels, windowRows, imageColumns * inChannels]),
      reshape(pairedBlocks(factors), [groups * whole, channels, partRows, filterColumns]),
    ],
    [1, groups * whole, height.kernel, kernel * inChannels],
    'float32',
    {
      kernel_shape: [partRows, filterColumns],
      dilations: [height.stride, dilation * inChannels],
      strides: [1, 1],
      pads: [0, 0, 0, 0],
      group: groups,
    },
    nchwc,
  );
  const atTaps = tiled ? fromPoints(reshape(y, [groups, sizeOf(y.shape) / groups]), width.kernel) : y;
  const spread = reshape(atTaps, [width.kernel / kernel, whole / block, height.kernel, kernel, inChannels, block]);
  const taps = [height.kernel, width.kernel, inChannels];
  const arranged = reshape(transpose(spread, [2, 0, 3, 4, 1, 5]), [...taps, whole]);
  return slice(arranged, [0, 0, 0, 0], [...taps, outChannels]);
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}

/** The largest divisor of n that is at most `most`, or 1. */
function largestDivisor(n: number, most: number): number {
  for (let divisor = Math.min(n, Math.floor(most)); divisor > 1; divisor--) if (n % divisor === 0) return divisor;
  return 1;
}
