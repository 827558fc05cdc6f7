import { afterAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Random } from '@ddpm/random';
import { encodePng } from '@ddpm/images/png';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import type { Channels } from './dataset';
import { openFolder } from './folder';
import { openDataset } from './open';

const root = mkdtempSync(join(tmpdir(), 'folder-'));
let folder: string;
let count = 0;
beforeEach(() => mkdirSync((folder = join(root, String(count++)))));
afterAll(() => rmSync(root, { recursive: true }));

const random = new Random(8);
function image(width: number, height: number, channels: Channels) {
  return { width, height, channels, data: Uint8Array.from(random.integers(width * height * channels, 256)) };
}
function write(name: string, width: number, height: number, channels: Channels) {
  const picture = image(width, height, channels);
  mkdirSync(join(folder, name, '..'), { recursive: true });
  writeFileSync(join(folder, name), encodePng(picture));
  return picture.data;
}

describe('openFolder', () => {
  test.each([1, 3, 4] as const)('PNG of %d channels, in order of name', async (channels) => {
    const b = write('b.png', 5, 3, channels);
    const a = write('a.PNG', 5, 3, channels);
    writeFileSync(join(folder, 'notes.txt'), 'not an image');
    writeFileSync(join(folder, '.hidden.png'), 'not an image');
    const dataset = await openFolder(folder);
    expect([dataset.size, dataset.shape, 'label' in dataset, dataset.classNames]).toEqual([2, [3, 5, channels], false, undefined]);
    expect([await dataset.image(0), await dataset.image(1)]).toEqual([a, b]);
  });

  test('a class for each subfolder', async () => {
    for (const name of ['dog/1.png', 'cat/1.png', 'cat/2.png']) write(name, 2, 2, 1);
    mkdirSync(join(folder, 'empty'));
    const dataset = await openFolder(folder);
    expect([dataset.classNames, [0, 1, 2].map((i) => dataset.label?.(i))]).toEqual([
      ['cat', 'dog'],
      [0, 0, 1],
    ]);
  });

  test('JPEG and WebP by sharp, the way up that the camera says', async () => {
    const { data } = image(16, 8, 3);
    const raw = sharp(data, { raw: { width: 16, height: 8, channels: 3 } });
    await raw.clone().webp({ lossless: true }).toFile(join(folder, 'a.webp'));
    await raw
      .clone()
      .rotate(-90)
      .withMetadata({ orientation: 6 })
      .jpeg({ quality: 100, chromaSubsampling: '4:4:4' })
      .toFile(join(folder, 'b.jpg'));
    const dataset = await openFolder(folder);
    expect([dataset.size, dataset.shape]).toEqual([2, [8, 16, 3]]);
    expect(Uint8Array.from(await dataset.image(0))).toEqual(data);
    (await dataset.image(1)).forEach((value, i) => expect(Math.abs(value - data[i])).toBeLessThan(12));
  });

  test('mixed sizes and channels are an error unless a size and channels are asked for', async () => {
    write('a.png', 8, 8, 3);
    write('b.png', 8, 6, 3);
    await expect(openFolder(folder)).rejects.toThrow(
      /sizes are mixed \(.*a\.png is 8×8, .*b\.png is 8×6\); say what size to bring them to \(imageSize, or --image-size\)$/,
    );
    write('c.png', 4, 4, 1);
    await expect(openFolder(folder, { size: [8, 8] })).rejects.toThrow(
      /kinds are mixed \(.*a\.png has 3 channels, .*c\.png has 1\); say what to make of them: [^\n]* \(channels, or --channels\)$/,
    );
    for (const channels of [1, 3, 4] as const) {
      const dataset = await openDataset('folder', { dataDir: folder, imageSize: 8, channels });
      expect(dataset.shape).toEqual([8, 8, channels]);
      for (let i = 0; i < 3; i++) expect(await dataset.image(i)).toHaveLength(64 * channels);
    }
  });

  test('pad and crop keep pixels, and say which image does not go', async () => {
    const pixels = write('a.png', 2, 2, 1);
    const padded = await (await openFolder(folder, { size: [4, 4], fit: 'pad' })).image(0);
    expect([...padded.subarray(4, 8)]).toEqual([0, pixels[0], pixels[1], 0]);
    await expect(openFolder(folder, { size: [1, 2], fit: 'pad' })).rejects.toThrow(/a\.png: 2×2 is too large to pad to 2×1$/);
    await expect(openFolder(folder, { size: [3, 3], fit: 'crop' })).rejects.toThrow(/a\.png: 2×2 is too small to crop to 3×3$/);
    expect(await (await openFolder(folder, { size: [1, 1], fit: 'crop' })).image(0)).toEqual(pixels.subarray(0, 1));
  });

  test('alpha that goes is blended over white, by both readers', async () => {
    const clear = { width: 2, height: 2, channels: 4 as const, data: new Uint8Array(16) };
    writeFileSync(join(folder, 'a.png'), encodePng(clear));
    await sharp(join(folder, 'a.png')).webp({ lossless: true, exact: true }).toFile(join(folder, 'b.webp'));
    for (const channels of [1, 3] as const) {
      const dataset = await openFolder(folder, { channels });
      for (const i of [0, 1]) expect(new Set(await dataset.image(i))).toEqual(new Set([255]));
    }
  });

  test('names what is wrong in one line', async () => {
    await expect(openFolder(folder)).rejects.toThrow(/no images \(\.png, \.jpg, \.jpeg, \.webp\) in it or its subfolders$/);
    await expect(openFolder(join(folder, 'absent'))).rejects.toThrow(/^ENOENT[^\n]*absent[^\n]*$/);
    write('class/a.png', 2, 2, 1);
    write('a.png', 2, 2, 1);
    await expect(openFolder(folder)).rejects.toThrow(
      /has images of its own and in subfolders \(class\); a class is a subfolder, so keep one/,
    );
    rmSync(join(folder, 'class'), { recursive: true });
    writeFileSync(join(folder, 'b.png'), readFileSync(join(folder, 'a.png')).subarray(0, 45));
    const dataset = await openFolder(folder);
    await expect(dataset.image(1)).rejects.toThrow(/b\.png: PNG: damaged or truncated \([^\n]*\)$/);
    writeFileSync(join(folder, 'b.png'), 'hello');
    await expect(openFolder(folder)).rejects.toThrow(/b\.png: PNG: not a PNG file \(wrong signature\)$/);
    rmSync(join(folder, 'b.png'));
    writeFileSync(join(folder, 'c.jpg'), 'hello');
    await expect(openFolder(folder)).rejects.toThrow(/c\.jpg: [^\n]*unsupported image format[^\n]*$/);
  });
});
