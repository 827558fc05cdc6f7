import * as tf from '@tensorflow/tfjs-core';
import type { KernelArguments, WasmBackend } from '../wasm-backend';
import { address, ownedTensor } from '../wasm-backend';
import type { ConvolutionAttributes } from './convolution';
import { convolution } from './convolution';
import { matrixMultiply } from './matrix-multiply';
import { padOrCrop } from './pad-or-crop';

/**
 * How many pixels one product sums over. A 1×1 filter has one product, whose cost is then the transposition before it:
 * fast in small parts.
 */
const pixelsAtOnce = (positions: number) => (positions === 1 ? 1024 : 16384);

/**
 * The gradient of conv2d in its filter: dW[kh, kw] = Σ x[n, h·s + kh − top, w·s + kw − left]ᵀ dy[n, h, w]. x: [n, h, w,
 * in], dy: [n, h', w', out] → filterShape [kh, kw, in, out].
 *
 * Both are laid on one grid of pixels, with zeros around the images, so that for each filter position the matrix of all
 * the pixels of x that meet dy's is contiguous: the whole grid, moved by a constant. Each position is then one matrix
 * product, and nothing is copied.
 * With strides, each of the s·s phases of x is such a grid.
 */
export function conv2dBackpropFilter({ inputs, attrs, backend }: KernelArguments): tf.TensorInfo {
  const wasm = backend as WasmBackend;
  const x = inputs.x as tf.Tensor4D;
  const dy = inputs.dy as tf.Tensor4D;
  const { filterShape } = attrs as { filterShape: [number, number, number, number] };
  const info = convolution('conv2dBackpropFilter', x.shape, filterShape, attrs as unknown as ConvolutionAttributes);
  const { inChannels, outChannels, filterHeight, filterWidth } = info;
  const vertical = axisGrid(info.inHeight, info.outHeight, filterHeight, info.strideHeight, info.padInfo.top);
  const horizontal = axisGrid(info.inWidth, info.outWidth, filterWidth, info.strideWidth, info.padInfo.left);
  const pixels = vertical.size * horizontal.size;
  const positions = filterHeight * filterWidth;
  // Images in chunks, each a product of its own; their sums are added at the end.
  const images = Math.max(1, Math.min(info.batchSize, Math.floor(pixelsAtOnce(positions) / pixels)));
  const chunks = Math.ceil(info.batchSize / images);
  const inner = images * pixels;
  const lead = vertical.lead * horizontal.size + horizontal.lead;
  const trail = vertical.trail * horizontal.size + horizontal.trail;
  // The side with fewer channels moves, because XNNPACK copies that one into a layout of its own at every product.
  const xMoves = inChannels <= outChannels;
  const [rows, columns] = xMoves ? [outChannels, inChannels] : [inChannels, outChannels];
  return tf.tidy(() => {
    const xGrid = phasesOf(x, images * chunks, vertical, horizontal); // [sw·sh, all pixels, in]
    const dyGrid = tf.reshape(
      padOrCrop(dy, [
        [0, images * chunks - info.batchSize],
        [0, vertical.size - info.outHeight],
        [0, horizontal.size - info.outWidth],
        [0, 0],
      ]),
      [1, chunks * inner, outChannels],
    );
    const [still, moving] = xMoves ? [dyGrid, xGrid] : [xGrid, dyGrid];
    const left = tf.transpose(tf.reshape(still, [still.shape[0] * chunks, inner, rows]), [0, 2, 1]);
    const right = padOrCrop(moving, [[0, 0], xMoves ? [lead, trail] : [trail, lead], [0, 0]]);
    const products = ownedTensor(wasm, [chunks, positions, rows, columns], 'float32');
    const [leftStart, rightStart, productStart] = [left, right, products].map((tensor) => address(wasm, tensor)) as [
      number,
      number,
      number,
    ];
    for (let position = 0; position < positions; position++) {
      const row = vertical.at(Math.floor(position / filterWidth));
      const column = horizontal.at(position % filterWidth);
      const phase = column.phase * info.strideHeight + row.phase;
      const offset = row.offset * horizontal.size + column.offset;
      const [leftPhase, rightPixel] = xMoves ? [0, phase * right.shape[1]! + lead + offset] : [phase, trail - offset];
      for (let chunk = 0; chunk < chunks; chunk++) {
        const addresses = {
          a: leftStart + 4 * (leftPhase * chunks + chunk) * rows * inner,
          b: rightStart + 4 * (rightPixel + chunk * inner) * columns,
          out: productStart + 4 * (chunk * positions + position) * rows * columns,
        };
        matrixMultiply(wasm, addresses, { rows, inner, columns });
      }
    }
    const total = chunks === 1 ? tf.reshape(products, [positions, rows, columns]) : tf.sum(products, 0);
    return tf.reshape(xMoves ? tf.transpose(total, [0, 2, 1]) : total, filterShape);
  });
}

/**
 * How one axis is laid out: `size` pixels for each of `stride` phases, how far outside its own image a filter reads,
 * and where.
 */
interface AxisGrid {
  readonly stride: number;
  readonly size: number;
  readonly lead: number;
  readonly trail: number;
  /** The input pixel stride·g + phase, for g = output + offset. */
  readonly at: (filterPosition: number) => { phase: number; offset: number };
}

function axisGrid(inSize: number, outSize: number, filterSize: number, stride: number, padBefore: number): AxisGrid {
  const at = (position: number) => {
    const offset = Math.floor((position - padBefore) / stride);
    return { phase: position - padBefore - offset * stride, offset };
  };
  const used = Math.ceil(inSize / stride);
  const lead = Math.max(0, -at(0).offset);
  const trail = Math.max(0, at(filterSize - 1).offset);
  // Pixels before an image are read from the zeros that end the row or image before it.
  return { stride, size: Math.max(used + lead, outSize + trail), lead, trail, at };
}

/**
 * [n, h, w, c] → [sw·sh, images·rows·columns, c]: pixel (sh·i + p, sw·j + q) is at phase q·sh + p. Zeros fill the grid.
 */
function phasesOf(x: tf.Tensor4D, images: number, vertical: AxisGrid, horizontal: AxisGrid): tf.Tensor3D {
  const [n, h, w, c] = x.shape;
  const [rows, columns, sh, sw] = [vertical.size, horizontal.size, vertical.stride, horizontal.stride];
  const grid = padOrCrop(x, [
    [0, images - n],
    [0, rows * sh - h],
    [0, columns * sw - w],
    [0, 0],
  ]);
  const byRow = tf.transpose(tf.reshape(grid, [images * rows, sh, columns * sw * c]), [1, 0, 2]);
  const byColumn = tf.transpose(tf.reshape(byRow, [sh * images * rows * columns, sw, c]), [1, 0, 2]);
  return tf.reshape(byColumn, [sw * sh, images * rows * columns, c]);
}
