import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { prepareBackend } from './prepare-backend';
import type { WasmBackend } from './wasm-backend';
import { refuseWhenFull } from './wasm-memory';

test('a tensor that cannot fit is an error that says its size, and nothing is lost', async () => {
  await prepareBackend('wasm');
  const before = tf.memory().numTensors;
  expect(() => tf.fill([1.2e9], 0)).toThrow(
    new RangeError('wasm: no room for a tensor of 4578 MB in the 4 GB that WebAssembly can have; use a smaller batch'),
  );
  expect(tf.memory().numTensors).toBe(before);
  expect(Array.from(tf.fill([3], 2).dataSync())).toEqual([2, 2, 2]);
});

test('an allocator that has nothing left is heard, also behind the stub that its first call replaces', () => {
  const real = (bytes: number) => (bytes > 1000 ? 0 : 8);
  const wasm = {
    _free: () => {},
    _malloc(bytes: number) {
      wasm._malloc = real;
      return real(bytes);
    },
  };
  refuseWhenFull({ wasm } as unknown as WasmBackend);
  expect(wasm._malloc(1000)).toBe(8);
  expect(() => wasm._malloc(3 * 2 ** 20)).toThrow('no room for a tensor of 3 MB');
  expect(() => wasm._malloc(3 * 2 ** 20)).toThrow('no room for a tensor of 3 MB');
});
