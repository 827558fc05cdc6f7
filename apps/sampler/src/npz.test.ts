import { describe, expect, test } from '@jest/globals';
import { unzipSync } from 'fflate';
import { encodeNpz } from './npz';

const latin = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');

describe('encodeNpz', () => {
  test('is a zip of NPY files as NumPy writes them', () => {
    // python: io = io.BytesIO(); numpy.save(io, numpy.array([[1.5], [-2]], dtype="f4")); io.getvalue()
    const reference = `\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }${' '.repeat(58)}\n\x00\x00\xc0\x3f\x00\x00\x00\xc0`;
    const files = unzipSync(encodeNpz({ images: { shape: [2, 1], data: Float32Array.of(1.5, -2) } }));
    expect(Object.keys(files)).toEqual(['images.npy']);
    expect(latin(files['images.npy'])).toBe(reference);
  });

  test('holds several arrays, of bytes too, and of any rank', () => {
    const files = unzipSync(
      encodeNpz({
        labels: { shape: [3], data: Uint8Array.of(7, 8, 9) },
        scale: { shape: [], data: Float32Array.of(2) },
        none: { shape: [0, 4], data: new Uint8Array(0) },
      }),
    );
    expect(Object.keys(files)).toEqual(['labels.npy', 'scale.npy', 'none.npy']);
    expect(latin(files['labels.npy'])).toContain("{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }");
    expect(latin(files['scale.npy'])).toContain("'shape': (), }");
    for (const [name, size] of [
      ['labels', 3],
      ['scale', 4],
      ['none', 0],
    ] as const)
      expect(files[`${name}.npy`].length).toBe(128 + size);
    expect([...files['labels.npy'].subarray(128)]).toEqual([7, 8, 9]);
  });

  test('reads a view of a larger buffer, and is the same every time', () => {
    const data = new Float32Array([9, 1, 2, 9]).subarray(1, 3);
    const once = encodeNpz({ a: { shape: [2], data } });
    expect(encodeNpz({ a: { shape: [2], data: Float32Array.of(1, 2) } })).toEqual(once);
  });

  test('names what is wrong', () => {
    expect(() => encodeNpz({ a: { shape: [2, 2], data: new Uint8Array(3) } })).toThrow(
      'encodeNpz: a has 3 values, which is not its shape [2, 2]',
    );
    expect(() => encodeNpz({ '../a': { shape: [0], data: new Uint8Array(0) } })).toThrow(
      'encodeNpz: "../a" cannot name an array',
    );
  });
});
