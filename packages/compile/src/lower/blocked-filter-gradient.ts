import type { Graph, Value } from '../graph';
import { gather, node, pad, reshape, slice, transpose } from '../ops';
import { nchwc, roundUp } from './blocked';
import type { Axis, Geometry } from './conv-geometry';
import { backwards, unstrided } from './conv-geometry';

/*
 * The gradient of a filter is a convolution as well: one that sums over images and pixels, and whose results are the taps. So that it runs
 * on blocked channels without a copy of every window,
 *   - the blocks are made of images, and of strips of rows where there are fewer images than a block has places;
 *   - a tap to the right is one pixel, hence `channels` elements further in a row as it lies in memory: the width of the image is
 *     pixels × channels, its dilation the channels;
 *   - strips are cut into parts of a few rows, which are further channels, so that the part of the filter that an inner loop goes through
 *     stays in the cache.
 */

/** Bytes that an inner loop should find in the second-level cache, and at most how many it may go through. */
const targetBytes = 2 ** 18;
const maxBytes = 2 ** 19;

/** What an inner loop goes through for each row: the filters of four blocks. */
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
  if (unstrided(g) && roundUp(ci, block) * co < roundUp(co, block) * ci && rowBytes(x.graph, back.width.out) <= maxBytes) {
    const turned = correlation(dy, x, back);
    const [kh, kw] = turned.shape;
    return transpose(slice(turned, [kh - 1, kw - 1, 0, 0], turned.shape, [-1, -1, 1, 1]), [0, 1, 3, 2]);
  }
  return correlation(x, dy, g);
}

/** Σ over images and pixels p of image[p · stride + tap − before, a] · filter[p, b]: [kh, kw, a, b]. */
function correlation(image: Value, filter: Value, { n, height, width, inChannels, outChannels }: Geometry): Value {
  const { graph } = image;
  const { block } = graph.target;
  const strips = block / commonDivisor(n, block);
  const stripRows = Math.ceil(height.out / strips);
  const partRows = largestDivisor(stripRows, targetBytes / rowBytes(graph, width.out));
  const parts = stripRows / partRows;
  const channels = n * strips * parts;

  const columns = (width.out - 1) * width.stride + width.kernel;
  const seenRows = (partRows - 1) * height.stride + height.kernel;
  const framed = frame(image, height, (strips * stripRows - 1) * height.stride + height.kernel, width, columns);
  const firsts = Array.from({ length: strips * parts }, (_, part) => part * partRows * height.stride);
  const rows = firsts.flatMap((first) => Array.from({ length: seenRows }, (_, row) => first + row));
  const seen = rows.length === framed.shape[1] ? framed : gather(framed, graph.constant(rows, [rows.length], 'int32'), 1);
  const strip = [1, n * strips, parts * seenRows, columns * inChannels];
  const blockedImage = node('ReorderInput', [reshape(seen, strip)], strip, 'float32', { channels_last: 0 }, nchwc);

  const [last, whole] = [roundUp(outChannels, 4), roundUp(outChannels, block)];
  const filled = pad(filter, [0, 0, 0, 0], [0, strips * stripRows - height.out, 0, last - outChannels]);
  // Channels are put into blocks, [co/B, groups, B strips, pixels, B], and then the strips moved inwards, as if they were blocks of channels.
  const groups = (n * strips) / block;
  const pixels = stripRows * width.out;
  const view = reshape(filled, [1, groups * block, pixels, last]);
  const inBlocks = node('ReorderInput', [view], [1, whole, groups * block, pixels], 'float32', { channels_last: 1 }, nchwc);
  const pairs = block * block;
  const outer = (whole / block) * groups;
  const blockedFilter = node(
    'ReorderOutput',
    [reshape(inBlocks, [outer, pairs, 1, pixels])],
    [outer, 1, pixels, pairs],
    'float32',
    { channels: pairs, channels_last: 1 },
    nchwc,
  );

  const y = node(
    'Conv',
    [reshape(blockedImage, [1, channels, seenRows, columns * inChannels]), reshape(blockedFilter, [whole, channels, partRows, width.out])],
    [1, whole, height.kernel, width.kernel * inChannels],
    'float32',
    {
      kernel_shape: [partRows, width.out],
      dilations: [height.stride, width.stride * inChannels],
      strides: [1, 1],
      pads: [0, 0, 0, 0],
      group: 1,
    },
    nchwc,
  );
  const taps = [height.kernel, width.kernel, inChannels];
  const arranged = reshape(transpose(reshape(y, [whole / block, ...taps, block]), [1, 2, 3, 0, 4]), [...taps, whole]);
  return slice(arranged, [0, 0, 0, 0], [...taps, outChannels]);
}

/** What the windows see of an image [n, h, w, c]: zeros around it, and nothing beyond the last window. */
function frame(image: Value, height: Axis, rows: number, width: Axis, columns: number): Value {
  const [n, , , c] = image.shape;
  const axes = [
    { ...height, length: rows },
    { ...width, length: columns },
  ].map(({ size, before, length }) => {
    const first = Math.max(0, -before);
    const end = Math.max(first, Math.min(size, length - before));
    const zeros = Math.max(0, before);
    return { first, count: end - first, zeros, behind: length - zeros - (end - first) };
  });
  const [y, x] = axes;
  const cut = slice(image, [0, y.first, x.first, 0], [n, y.count, x.count, c]);
  return pad(cut, [0, y.zeros, x.zeros, 0], [0, y.behind, x.behind, 0]);
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}

/** The largest divisor of n that is at most `most`, or 1. */
function largestDivisor(n: number, most: number): number {
  for (let divisor = Math.min(n, Math.floor(most)); divisor > 1; divisor--) if (n % divisor === 0) return divisor;
  return 1;
}
