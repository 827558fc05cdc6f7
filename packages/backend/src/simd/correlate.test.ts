import { expect, test } from '@jest/globals';
import { assemble } from './assembler';
import { correlate } from './correlate';

/** The definition of `correlate`, one number at a time; strides in floats. */
test.each([
  { rows: 1, columns: 4, channels: 4, tapRows: 1, tapColumns: 1 },
  { rows: 2, columns: 5, channels: 7, tapRows: 3, tapColumns: 2 },
  { rows: 3, columns: 9, channels: 8, tapRows: 2, tapColumns: 5 },
])('correlate is its definition: %j', ({ rows, columns, channels, tapRows, tapColumns }) => {
  const memory = new WebAssembly.Memory({ initial: 2 });
  const heap = new Float32Array(memory.buffer);
  const [x, w, out] = [0, 16384, 24576];
  for (let index = 0; index < out; index++) heap[index] = Math.sin(index);
  const width = columns + tapColumns - 1;
  const strides = {
    xI: width * channels,
    xJ: channels,
    xA: width * channels,
    xB: channels,
    wA: tapColumns * channels,
    wB: channels,
  };
  const inBytes = Object.fromEntries(
    Object.entries(strides).map(([name, floats]) => [name, 4 * floats]),
  ) as typeof strides;
  const [outI, outJ, channelBytes] = [4 * columns * channels, 4 * channels, 4 * channels];
  assemble(
    correlate,
    memory,
  )({ x: 4 * x, w: 4 * w, out: 4 * out, ...inBytes, outI, outJ, rows, columns, channelBytes, tapRows, tapColumns });
  for (let index = 0; index < rows * columns * channels; index++) {
    const c = index % channels;
    const j = Math.floor(index / channels) % columns;
    const i = Math.floor(index / channels / columns);
    let sum = 0;
    for (let a = 0; a < tapRows; a++) {
      for (let b = 0; b < tapColumns; b++)
        sum += heap[((i + a) * width + j + b) * channels + c] * heap[w + (a * tapColumns + b) * channels + c];
    }
    expect(heap[out + index]).toBeCloseTo(sum, 5);
  }
  expect(heap[out + rows * columns * channels]).toBe(0);
});

test('the module also runs in a shared memory, which the threaded backend has', () => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 100, shared: true });
  expect(assemble(correlate, memory)).toBeInstanceOf(Function);
});
