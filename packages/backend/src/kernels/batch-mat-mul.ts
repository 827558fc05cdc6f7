import * as tf from '@tensorflow/tfjs-core';
import type { KernelArguments, WasmBackend } from '../wasm-backend';
import { address, ownedTensor } from '../wasm-backend';
import { matrixMultiply } from './matrix-multiply';

/** x with its last two axes exchanged. */
function transposed(x: tf.Tensor): tf.Tensor {
  const axes = x.shape.map((_, axis) => axis);
  return tf.transpose(x, [...axes.slice(0, -2), x.rank - 1, x.rank - 2]);
}

/**
 * a·b over the last two axes, the others broadcast: [...batch, rows, inner] · [...batch, inner, columns] → [...batch,
 * rows, columns].
 * The backend's own kernel reaches XNNPACK only for one matrix that is not transposed, and is about 12 times slower
 * otherwise.
 */
export function batchMatMul({ inputs, attrs, backend }: KernelArguments): tf.TensorInfo {
  const { transposeA, transposeB } = attrs as { transposeA: boolean; transposeB: boolean };
  const wasm = backend as WasmBackend;
  return tf.tidy(() => {
    const a = transposeA ? transposed(inputs.a as tf.Tensor) : (inputs.a as tf.Tensor);
    const b = transposeB ? transposed(inputs.b as tf.Tensor) : (inputs.b as tf.Tensor);
    if (a.dtype !== 'float32' || b.dtype !== 'float32')
      throw new TypeError(`matMul: expected float32 tensors, got ${a.dtype} and ${b.dtype}`);
    const [rows, inner] = a.shape.slice(-2) as [number, number];
    const columns = b.shape.at(-1)!;
    const [batchA, batchB] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
    const batch = tf.backend_util.assertAndGetBroadcastShape(batchA, batchB);
    const shape = [...batch, rows, columns];
    if (a.size === 0 || b.size === 0) return tf.zeros(shape);
    const out = ownedTensor(wasm, shape, 'float32');
    const [aStart, bStart, outStart] = [address(wasm, a), address(wasm, b), address(wasm, out)];
    if (b.size === inner * columns) {
      // One matrix for the whole batch: all rows at once.
      matrixMultiply(wasm, { a: aStart, b: bStart, out: outStart }, { rows: a.size / inner, inner, columns });
      return out;
    }
    const [aAt, bAt] = [broadcastIndex(batchA, batch), broadcastIndex(batchB, batch)];
    for (let index = 0; index < tf.util.sizeFromShape(batch); index++) {
      const addresses = {
        a: aStart + 4 * rows * inner * aAt(index),
        b: bStart + 4 * inner * columns * bAt(index),
        out: outStart + 4 * rows * columns * index,
      };
      matrixMultiply(wasm, addresses, { rows, inner, columns });
    }
    return out;
  });
}

/** From a flat index into `to` to the flat index into `from` that broadcasting puts there. */
function broadcastIndex(from: readonly number[], to: readonly number[]): (index: number) => number {
  const padded = [...new Array<number>(to.length - from.length).fill(1), ...from];
  return (index) => {
    let rest = index;
    let result = 0;
    let stride = 1;
    for (let axis = to.length - 1; axis >= 0; axis--) {
      const position = rest % to[axis];
      rest = (rest - position) / to[axis];
      if (padded[axis] !== 1) result += position * stride;
      stride *= padded[axis];
    }
    return result;
  };
}
