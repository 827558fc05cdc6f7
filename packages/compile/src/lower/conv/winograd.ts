import type { Value } from '../../graph';
import { sizeOf } from '../../graph';
import { matMul, nchwc, node, reshape } from '../../ops';
import { blockedColumns, fromBlocked, roundUp, toBlocked } from './blocked';
import type { Axis, Geometry } from './geometry';
import { windowAttributes } from './geometry';
import { pixelIndex, take } from './pixels';

/*
 * Winograd's minimal filtering along the width: of rows cut into tiles of four outputs, three taps take 6 products a
 * tile instead of 12. The six pixels that a tile takes, and the taps, are turned into values at the points 0, 1, −1, 2,
 * −2 and ∞ of polynomials; at each point the values are convolved as pixels would be, along the height alone, and from
 * what comes out at all points follow the outputs.
 * (Lavin & Gray, 2015, Fast Algorithms for Convolutional Neural Networks, F(4, 3) in §4.) Tiles along both axes would
 * take fewer products still, but four times the memory for filters, which then takes longer to read than the products
 * that are saved.
 */

/** Outputs of a tile. */
export const tile = 4;
const taps = 3;
/** As many as a tile takes pixels. */
export const points = tile + taps - 1;
const finite = [0, 1, -1, 2, -2];

/** Bᵀ [points, pixels]. */
const pixelsAt = [
  [4, 0, -5, 0, 1, 0],
  [0, -4, -4, 1, 1, 0],
  [0, 4, -4, -1, 1, 0],
  [0, -2, -1, 2, 1, 0],
  [0, 2, -1, -2, 1, 0],
  [0, 4, 0, -5, 0, 1],
];
/** The factor that Bᵀ leaves to the filter's values: 1 / ∏ (point − other point), and for ∞ none. */
const scales = [1 / 4, -1 / 6, -1 / 6, 1 / 24, 1 / 24];

/** G [points, length], of filters of any length: a filter's value at a point, or its last tap. */
const filterAt = (length: number) => [
  ...finite.map((point, i) => Array.from({ length }, (_, power) => scales[i] * point ** power)),
  Array.from({ length }, (_, power) => Number(power === length - 1)),
];

/** Aᵀ [length, points]. */
const outputsFrom = (length: number) =>
  Array.from({ length }, (_, power) => [...finite.map((point) => point ** power), Number(power === length - 1)]);

/** The point 1: what is added there is added to every output. */
export const biasPoint = 1;

/** x with its first axis turned into another by a matrix. */
function transformed(matrix: number[][], x: Value): Value {
  const [from, ...rest] = x.shape;
  const constant = x.graph.constant(matrix.flat(), [matrix.length, from], 'float32');
  return reshape(matMul(constant, reshape(x, [from, sizeOf(rest)])), [matrix.length, ...rest]);
}

/** The pixels of tiles [6, …] → their values at the points [6, …]. */
export const pixelsAtPoints = (x: Value): Value => transformed(pixelsAt, x);
/** The taps of filters [taps, …] → their values at the points [6, …]. */
export const tapsAtPoints = (x: Value): Value => transformed(filterAt(x.shape[0]), x);
/** Products at the points [6, …] → outputs [outputs, …]. */
export const fromPoints = (x: Value, outputs: number): Value => transformed(outputsFrom(outputs), x);

export const tilesOf = ({ out }: Axis): number => Math.ceil(out / tile);

/**
 * Whether the products that are saved take longer than to get to the points and back. Measured: from 56 channels to 112
 * and from 112 to 224, a convolution takes 0.65 to 0.8 of the time; from 28 to 56 it wins 0.1, which is lost again to
 * memory; at 24 to 24 it takes longer.
 */
export function worthTiling({ width, inChannels, outChannels }: Geometry): boolean {
  const { kernel, stride, dilation, out } = width;
  const fits = kernel === taps && stride === 1 && dilation === 1 && points * tilesOf(width) <= 0.7 * kernel * out;
  return fits && inChannels * outChannels >= 24 * (inChannels + outChannels);
}

/**
 * The same as blockedConv, for filters of three columns without stride: x [n, h, w, ci] * filter [kh, 3, ci, co] →
 * [n, h', w', co].
 */
export function winogradConv(x: Value, filter: Value, g: Geometry): Value {
  const { n, height, width, inChannels, outChannels } = g;
  const { block } = x.graph.target;
  const [inner, outer] = [roundUp(inChannels, block), roundUp(outChannels, block)];
  const tiles = tilesOf(width);
  // All images beside each other: there is nothing between tiles that a convolution along the height would reach.
  const columns = n * tiles;

  const pixel = pixelIndex(x.shape);
  const pixels = take(x, `tiles ${JSON.stringify(width)}`, () => {
    const indices: number[] = [];
    for (let point = 0; point < points; point++)
      for (let row = 0; row < height.size; row++)
        for (let image = 0; image < n; image++)
          for (let i = 0; i < tiles; i++) indices.push(pixel(image, row, i * tile + point - width.before));
    return indices;
  });
  const values = pixelsAtPoints(reshape(pixels, [points, height.size, columns, inChannels]));
  const input = reshape(toBlocked(values), [1, points * inner, height.size, columns]);

  const weights = tapsAtPoints(blockedColumns(filter));

  const one: Axis = { size: columns, out: columns, kernel: 1, stride: 1, dilation: 1, before: 0 };
  const shape = [points, outer, height.out, columns];
  const sourceShape = [tile * height.out, n, tiles, outChannels];
  const source = pixelIndex(sourceShape);
  const placed = (): number[] => {
    const indices: number[] = [];
    for (let image = 0; image < n; image++)
      for (let row = 0; row < height.out; row++)
        for (let column = 0; column < width.out; column++)
          indices.push(source((column % tile) * height.out + row, image, Math.floor(column / tile)));
    return indices;
  };

  const products = node(
    'Conv',
    [input, reshape(weights, [points * outer, inner, height.kernel, 1])],
    [1, points * outer, height.out, columns],
    'float32',
    { ...windowAttributes(height, one), group: points },
    nchwc,
  );
  const y = fromBlocked(fromPoints(reshape(products, shape), tile), outChannels);
  return reshape(take(reshape(y, sourceShape), `untiled ${width.out}`, placed), [
    n,
    height.out,
    width.out,
    outChannels,
  ]);
}
