import { expect, test } from '@jest/globals';
import type { WasmBackend } from './wasm-backend';
import { refuseWhenFull } from './wasm-memory';

test('an allocation that fails is an error that says the size', () => {
  const wasm = { _malloc: (bytes: number) => (bytes > 1000 ? 0 : 8) };
  refuseWhenFull({ wasm } as WasmBackend);
  expect(wasm._malloc(1000)).toBe(8);
  expect(() => wasm._malloc(3 * 2 ** 20)).toThrow(
    'wasm: no room for a tensor of 3 MB in the 4 GB that WebAssembly can have; use a smaller batch',
  );
});
