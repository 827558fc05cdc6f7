import { expect, test } from '@jest/globals';
import { Random } from '@ddpm/random';
import { exifOrientation } from './orientation';

/** A TIFF block with one entry before that of the orientation. */
const LITTLE = Buffer.from(
  '49492a0008000000' + '0200' + '000103000100000005000000' + '120103000100000006000000' + '00000000',
  'hex',
);
const BIG = Buffer.from('4d4d002a00000008' + '0001' + '011200030000000100080000' + '00000000', 'hex');

test('the orientation in both byte orders, with JPEG’s introduction too', () => {
  expect(exifOrientation(LITTLE)).toBe(6);
  expect(exifOrientation(BIG)).toBe(8);
  expect(exifOrientation(Buffer.concat([Buffer.from('Exif\0\0'), BIG]))).toBe(8);
});

test('a value that is none, a damaged block or none at all leave the picture as it is, or turn it', () => {
  for (const value of [0, 9, 255]) {
    const block = Buffer.from(LITTLE);
    block[30] = value;
    expect(exifOrientation(block)).toBe(1);
  }
  for (let length = 0; length < 30; length++) expect(exifOrientation(LITTLE.subarray(0, length))).toBe(1);
  const random = new Random(4);
  for (let k = 0; k < 1000; k++) {
    const block = Uint8Array.from(k % 2 ? LITTLE : BIG);
    for (let i = random.integer(6); i >= 0; i--) block[random.integer(block.length)] = random.integer(256);
    expect([1, 2, 3, 4, 5, 6, 7, 8]).toContain(exifOrientation(block));
  }
});
