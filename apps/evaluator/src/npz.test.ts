import { expect, test } from '@jest/globals';
import { zipSync } from 'fflate';
import { decodeNpz } from './npz';

const npy = (descr: string, shape: string, data: ArrayBufferView, order = 'False') => {
  const header = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': (${shape}), }\n`;
  const bytes = new Uint8Array(10 + header.length + data.byteLength);
  bytes.set([0x93, ...new TextEncoder().encode('NUMPY'), 1, 0, header.length, 0]);
  bytes.set(new TextEncoder().encode(header), 10);
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), 10 + header.length);
  return bytes;
};
const floats = npy('<f4', '2, 1, 2', Float32Array.of(-1, 1, 0, 1 / 127.5));

test('floats in [−1, 1] and bytes are read, by the names that numpy.savez gives too', () => {
  const images = decodeNpz(zipSync({ 'images.npy': floats }));
  expect([images.size, images.shape, images.image(0), images.image(1), 'label' in images]).toEqual([
    ...[2, [1, 2, 1], Uint8Array.of(0, 255), Uint8Array.of(128, 129), false],
  ]);
  const others = decodeNpz(
    zipSync({
      'arr_0.npy': npy('|u1', '2, 1, 1, 3', Uint8Array.of(1, 2, 3, 4, 5, 6)),
      'arr_1.npy': npy('<i8', '2,', BigInt64Array.of(7n, 0n)),
    }),
  );
  expect([others.shape, others.image(1), others.label!(0)]).toEqual([[1, 1, 3], Uint8Array.of(4, 5, 6), 7]);
});

test.each([
  [new Uint8Array(5), 'it is no npz file'],
  [zipSync({ 'x.npy': floats }), 'it should have an array images or arr_0, but has x.npy'],
  [zipSync({ 'images.npy': new Uint8Array(20) }), 'its array images is not in the NPY format'],
  [zipSync({ 'images.npy': npy('<f4', '2, 1, 3', new Float32Array(4)) }), 'has 16 bytes, but its shape needs 24'],
  [
    zipSync({ 'images.npy': npy('>f4', '2, 1, 2', new Float32Array(4)) }),
    'its array images is of dtype >f4; known are',
  ],
  [zipSync({ 'images.npy': npy('<f4', '2, 1, 2', new Float32Array(4), 'True') }), 'its array images is not row-major'],
  [
    zipSync({ 'images.npy': npy('<f4', '4,', new Float32Array(4)) }),
    'should be [n, h, w] or [n, h, w, c] with 1, 3 or 4',
  ],
  [
    zipSync({ 'images.npy': npy('<i4', '2, 1, 2', new Int32Array(4)) }),
    'should be uint8 or floats in [−1, 1], not integers',
  ],
  [zipSync({ 'images.npy': npy('<f4', '2, 1, 2', Float32Array.of(0, 255, 0, 0)) }), 'in [−1, 1], but has 255'],
  [
    zipSync({ 'images.npy': floats, 'labels.npy': npy('<i4', '3,', new Int32Array(3)) }),
    'its labels should be [2], but is [3]',
  ],
])('what cannot be used is said in one line (%#)', (bytes, message) => expect(() => decodeNpz(bytes)).toThrow(message));
