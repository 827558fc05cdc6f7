import * as tf from '@tensorflow/tfjs-core';
import { correlate } from '../simd/correlate';
import type { WasmBackend } from '../wasm-backend';
import { address, assembleFor, ownedTensor } from '../wasm-backend';
import { padOrCrop } from './pad-or-crop';

type Pair = readonly [number, number];

const run = assembleFor(correlate);

/**
 * out[n, i, j, c] = Σ_a Σ_b x[n, i·step₀ + a·tapStep₀ − before₀, j·step₁ + b·tapStep₁ − before₁, c] · w[n, a, b, c],
 * where x is 0 outside.
 * x: [n, h, w, c], w: [n or 1, a, b, c] → [n, ...size, c]. Depthwise convolution and both its gradients are this.
 */
export function slide(
  backend: WasmBackend,
  x: tf.Tensor4D,
  w: tf.Tensor4D,
  { size, before, step, tapStep }: { size: Pair; before: Pair; step: Pair; tapStep: Pair },
): tf.Tensor4D {
  const [n, height, width, channels] = x.shape;
  const [images, tapRows, tapColumns] = w.shape;
  const [rows, columns] = [size[0], Math.max(4, size[1])];
  const missing = Math.max(0, 4 - channels);
  return tf.tidy(() => {
    const needed = [
      (rows - 1) * step[0] + (tapRows - 1) * tapStep[0] + 1,
      (columns - 1) * step[1] + (tapColumns - 1) * tapStep[1] + 1,
    ];
    const padded = padOrCrop(x, [
      [0, 0],
      [before[0], needed[0] - height - before[0]],
      [before[1], needed[1] - width - before[1]],
      [0, missing],
    ]);
    const weights = padOrCrop(w, [
      [0, 0],
      [0, 0],
      [0, 0],
      [0, missing],
    ]);
    const out = ownedTensor(backend, [n, rows, columns, channels + missing], 'float32') as tf.Tensor4D;
    const [pixel, row, tapRow, outRow] = [1, padded.shape[2], tapColumns, columns].map(
      (pixels) => 4 * pixels * (channels + missing),
    ) as [number, number, number, number];
    const [outStart, xStart, wStart] = [out, padded, weights].map((tensor) => address(backend, tensor)) as [
      number,
      number,
      number,
    ];
    for (let image = 0; image < n; image++) {
      run(backend)({
        out: outStart + image * rows * outRow,
        outI: outRow,
        outJ: pixel,
        x: xStart + image * padded.shape[1] * row,
        xI: step[0] * row,
        xJ: step[1] * pixel,
        xA: tapStep[0] * row,
        xB: tapStep[1] * pixel,
        w: wStart + (images === 1 ? 0 : image * tapRows * tapRow),
        wA: tapRow,
        wB: pixel,
        rows,
        columns,
        channelBytes: pixel,
        tapRows,
        tapColumns,
      });
    }
    return padOrCrop(out, [
      [0, 0],
      [0, 0],
      [0, size[1] - columns],
      [0, -missing],
    ]);
  });
}
