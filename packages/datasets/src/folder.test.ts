import { afterAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Random } from '@ddpm/random';
import { encodePng } from '@ddpm/images/png';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import type { Channels } from './dataset';
import { openFolder } from './folder';
import { openDataset } from './open';
import { readPicture } from './read-picture';
import { resize } from './resize';

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
    const dataset = await openFolder(folder, { onSkipped: () => {} });
    expect([dataset.size, dataset.shape, 'label' in dataset, dataset.classNames]).toEqual([
      2,
      [3, 5, channels],
      false,
      undefined,
    ]);
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
    await expect(openFolder(folder, { size: [1, 2], fit: 'pad' })).rejects.toThrow(
      /a\.png: 2×2 is too large to pad to 2×1$/,
    );
    await expect(openFolder(folder, { size: [3, 3], fit: 'crop' })).rejects.toThrow(
      /a\.png: 2×2 is too small to crop to 3×3$/,
    );
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
    await expect(openFolder(folder)).rejects.toThrow(
      /no images \(PNG, JPEG, WebP, GIF, TIFF, AVIF\) in it or its subfolders$/,
    );
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
    writeFileSync(join(folder, 'b.png'), readFileSync(join(folder, 'a.png')).subarray(0, 20));
    await expect(openFolder(folder)).rejects.toThrow(/b\.png: PNG: truncated, 20 bytes is less than a header$/);
    rmSync(join(folder, 'b.png'));
    writeFileSync(join(folder, 'c.jpg'), Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 0, 16));
    await expect(openFolder(folder)).rejects.toThrow(/c\.jpg: [^\n]+$/);
  });

  test('what was read once stays in memory', async () => {
    const pixels = write('a.png', 2, 2, 1);
    const dataset = await openFolder(folder);
    expect(await dataset.image(0)).toEqual(pixels);
    rmSync(join(folder, 'a.png'));
    expect(await dataset.image(0)).toEqual(pixels);
  });
});

describe('files', () => {
  const notice = async (options = {}) => {
    const lines: string[] = [];
    const dataset = await openFolder(folder, { ...options, onSkipped: (line) => lines.push(line) });
    return { dataset, lines };
  };

  test('are told by their content, whatever they are called', async () => {
    const { data } = image(4, 4, 3);
    const raw = sharp(data, { raw: { width: 4, height: 4, channels: 3 } });
    await raw.clone().jpeg().toFile(join(folder, 'a.jpg'));
    const { dataset: first } = await notice();
    writeFileSync(join(folder, 'b.png'), readFileSync(join(folder, 'a.jpg')));
    writeFileSync(join(folder, 'c'), await raw.clone().png().toBuffer());
    writeFileSync(join(folder, 'd.txt'), await raw.clone().gif({ dither: 0 }).toBuffer());
    writeFileSync(join(folder, 'e.jpg'), await raw.clone().tiff({ compression: 'lzw' }).toBuffer());
    const { dataset, lines } = await notice({ channels: 3 });
    expect([dataset.size, lines]).toEqual([5, []]);
    expect(await dataset.image(1)).toEqual(await first.image(0));
    for (const i of [2, 3, 4]) expect(Uint8Array.from(await dataset.image(i))).toEqual(data);
  });

  test('that are passed over are counted and named by what they are', async () => {
    write('cat/1.png', 2, 2, 1);
    write('cat/old/2.png', 2, 2, 1);
    const others: [string, string][] = [
      ['cat/notes.txt', 'x'],
      ['read me.txt', 'x'],
      ['cat/empty.png', ''],
      ['cat/page.jpg', '<!DOCTYPE html><html>Sign in</html>'],
      ['cat/far.png', 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n'],
      ['cat/b.bmp', 'BM\x46\0\0\0\0\0\0\0\x36'],
      ['cat/what.webp', 'RIFF'],
      ['LICENSE', 'MIT'],
    ];
    for (const [name, content] of others) writeFileSync(join(folder, name), content, 'latin1');
    for (const name of ['.DS_Store', 'Thumbs.db', 'cat/._1.png']) writeFileSync(join(folder, name), 'x');
    const { dataset, lines } = await notice();
    expect([dataset.size, dataset.classNames]).toEqual([2, ['cat']]);
    expect(lines).toEqual([
      'Skipped 8 files: 2 .txt (cat/notes.txt, …), 1 file without an extension (LICENSE), 1 BMP picture, to be converted to PNG (cat/b.bmp), ' +
        '1 empty file (cat/empty.png), 1 Git LFS pointer, for git lfs pull (cat/far.png), 1 HTML page (cat/page.jpg), and 1 more kind',
    ]);
    rmSync(join(folder, 'cat'), { recursive: true });
    await expect(notice()).rejects.toThrow(
      /no images \([^)]*\) in it or its subfolders\. Skipped 2 files: 1 file [^\n]*, 1 \.txt \(read me\.txt\)$/,
    );
    writeFileSync(join(folder, 'a.webp'), 'RIFF');
    await expect(notice()).rejects.toThrow(/1 \.webp that holds no picture \(a\.webp\)/);
  });

  test('of any depth belong to the class of the first folder', async () => {
    for (const name of ['dog/1.png', 'cat/a/b/1.png', 'cat/2.png']) write(name, 2, 2, 1);
    const { dataset } = await notice();
    expect([dataset.classNames, [0, 1, 2].map((i) => dataset.label?.(i))]).toEqual([
      ['cat', 'dog'],
      [0, 0, 1],
    ]);
  });

  test('and folders that links lead to are read; a link back is refused, and one to nothing is named', async () => {
    const outside = join(root, `outside-${count}`);
    mkdirSync(outside);
    const pixels = image(2, 2, 1);
    writeFileSync(join(outside, '1.png'), encodePng(pixels));
    mkdirSync(join(folder, 'cat'));
    symlinkSync(outside, join(folder, 'dog'), 'junction');
    symlinkSync(join(root, 'nothing'), join(folder, 'cat', 'gone'), 'junction');
    // Windows lets only administrators make links to files.
    if (process.platform === 'win32') writeFileSync(join(folder, 'cat', '2.png'), encodePng(pixels));
    else symlinkSync(join(outside, '1.png'), join(folder, 'cat', '2.png'));
    const { dataset, lines } = await notice();
    expect([dataset.classNames, lines]).toEqual([['cat', 'dog'], ['Skipped 1 file: 1 broken link (cat/gone)']]);
    expect(await dataset.image(1)).toEqual(pixels.data);

    symlinkSync(folder, join(folder, 'cat', 'loop'), 'junction');
    await expect(notice()).rejects.toThrow(
      `${join(folder, 'cat', 'loop')}: a link that leads back to ${realpathSync(folder)}, a folder that it lies in; remove it`,
    );
  });
});

describe('pixels are as Pillow reads them', () => {
  /** The only image of a folder that holds it alone. */
  async function reading(name: string, bytes: Uint8Array, options: Parameters<typeof openFolder>[1] = {}) {
    const alone = join(folder, `${name}-alone`);
    mkdirSync(alone, { recursive: true });
    writeFileSync(join(alone, name), bytes);
    const dataset = await openFolder(alone, options);
    return { shape: dataset.shape, pixels: [...(await dataset.image(0))] };
  }
  const rgb = (width: number, height: number, data: Uint8Array) => sharp(data, { raw: { width, height, channels: 3 } });

  // ImageOps.exif_transpose of the picture 1 2 3 / 4 5 6 with each orientation.
  test.each([
    [1, 3, [1, 2, 3, 4, 5, 6]],
    [2, 3, [3, 2, 1, 6, 5, 4]],
    [3, 3, [6, 5, 4, 3, 2, 1]],
    [4, 3, [4, 5, 6, 1, 2, 3]],
    [5, 2, [1, 4, 2, 5, 3, 6]],
    [6, 2, [4, 1, 5, 2, 6, 3]],
    [7, 2, [6, 3, 5, 2, 4, 1]],
    [8, 2, [3, 6, 2, 5, 1, 4]],
  ])('EXIF orientation %d, in PNG and TIFF, scaled or not', async (orientation, width, expected) => {
    const height = 6 / width;
    const stored = sharp(Uint8Array.of(1, 2, 3, 4, 5, 6), { raw: { width: 3, height: 2, channels: 1 } })
      .toColourspace('b-w')
      .withMetadata({ orientation });
    const files = {
      'a.png': await stored.clone().png().toBuffer(),
      'a.tif': await stored.clone().tiff({ compression: 'none' }).toBuffer(),
    };
    for (const [name, bytes] of Object.entries(files)) {
      expect(await reading(name, bytes, { channels: 1 })).toEqual({ shape: [height, width, 1], pixels: expected });
      const { pixels } = await reading(name, bytes, { channels: 1, size: [12, (12 / height) * width] });
      expect(pixels).toEqual([...resize(Uint8Array.from(expected), [height, width, 1], [12, (12 / height) * width])]);
    }
  });

  test('one colour is one gray, whatever the file and the size', async () => {
    const green = rgb(
      4,
      4,
      Uint8Array.from({ length: 48 }, (_, i) => (i % 3 === 1 ? 255 : 0)),
    );
    const files = {
      'a.png': await green.clone().png().toBuffer(),
      'a.webp': await green.clone().webp({ lossless: true }).toBuffer(),
      'a.gif': await green.clone().gif().toBuffer(),
      'a.tif': await green.clone().tiff({ compression: 'lzw' }).toBuffer(),
    };
    for (const [name, bytes] of Object.entries(files)) {
      for (const side of [4, 3, 9]) {
        expect(new Set((await reading(name, bytes, { size: [side, side], channels: 1 })).pixels)).toEqual(
          new Set([150]),
        );
      }
    }
  });

  test('scaled by Pillow’s kernel without a shift, from every kind of file', async () => {
    const { data } = image(6, 5, 3);
    const expected = [...resize(data, [5, 6, 3], [10, 12])];
    expect((await reading('a.png', await rgb(6, 5, data).png().toBuffer(), { size: [10, 12] })).pixels).toEqual(
      expected,
    );
    expect(
      (await reading('a.webp', await rgb(6, 5, data).webp({ lossless: true }).toBuffer(), { size: [10, 12] })).pixels,
    ).toEqual(expected);
  });

  test('a palette with transparency: RGBA, and over white where alpha goes', async () => {
    // p = Image.frombytes('P', (2, 2), bytes([0, 1, 2, 0])), p.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255]),
    // p.save('a.png', transparency=bytes([255, 128, 0])); convert('RGBA'), then Image.alpha_composite over white,
    // convert('RGB'), convert('L')
    const file = Buffer.from(
      'iVBORw0KGgoAAAANSUhEUgAAAAIAAAACAgMAAAAP2OW3AAAACVBMVEX/AAAA/wAAAP8tSs2KAAAAA3RSTlP/gAB/bWh4AAAADElEQVR4nGMQYCoAAACoAIM1G5e/AAAAAElFTkSuQmCC',
      'base64',
    );
    expect(await reading('a.png', file)).toEqual({
      shape: [2, 2, 4],
      pixels: [255, 0, 0, 255, 0, 255, 0, 128, 0, 0, 255, 0, 255, 0, 0, 255],
    });
    expect((await reading('a.png', file, { channels: 3 })).pixels).toEqual([
      255, 0, 0, 127, 255, 127, 255, 255, 255, 255, 0, 0,
    ]);
    expect((await reading('a.png', file, { channels: 1 })).pixels).toEqual([76, 202, 255, 76]);
  });

  test('of an animation the first frame, whose transparency alone counts', async () => {
    const [first, second] = [new Uint8Array(48).fill(51), new Uint8Array(48).fill(204)];
    const frames = sharp(Buffer.concat([first, second]), { raw: { width: 4, height: 8, channels: 3, pageHeight: 4 } });
    expect(await reading('a.gif', await frames.gif({ delay: [50, 50] }).toBuffer())).toEqual({
      shape: [4, 4, 3],
      pixels: [...first],
    });
  });

  test('CMYK by its plain formula', async () => {
    // c = Image.frombytes('CMYK', (2, 1), bytes([10, 20, 30, 40, 200, 0, 255, 7])), c.save('a.tif',
    // compression='packbits'), c.convert('RGB')
    const file = Buffer.from(
      'SUkqABIAAAAHChQeKMgA/wcACgAAAQMAAQAAAAIAAAABAQMAAQAAAAEAAAACAQMABAAAAJAAAAADAQMAAQAAAAWAAAAGAQMAAQAAAAUAAAARAQQAAQAAAAgAAAAVAQMAAQAAAAQAAAAWAQMAAQAAAAEAAAAXAQQAAQAAAAkAAAAcAQMAAQAAAAEAAAAAAAAACAAIAAgACAA=',
      'base64',
    );
    expect(await reading('a.tif', file)).toEqual({ shape: [1, 2, 3], pixels: [207, 198, 190, 53, 248, 0] });
  });

  test('colours are those in the file, whatever profile it has', async () => {
    const { data } = image(4, 4, 3);
    const file = await rgb(4, 4, data).withIccProfile('p3').webp({ lossless: true }).toBuffer();
    const stored = await sharp(file, { ignoreIcc: true }).raw().toBuffer();
    expect(stored.equals(data)).toBe(false);
    expect((await reading('a.webp', file)).pixels).toEqual([...stored]);
  });
});

describe('readPicture', () => {
  test('gives a picture as openFolder gives it, and the size that it had', async () => {
    write('one.png', 6, 4, 4);
    const shape = [2, 2, 1] as const;
    const picture = await readPicture(join(folder, 'one.png'), { shape });
    const dataset = await openFolder(folder, { size: [2, 2], channels: 1 });
    expect([picture.pixels, picture.height, picture.width]).toEqual([await dataset.image(0), 4, 6]);
  });

  test('names the file that is none, or is not there', async () => {
    const path = join(folder, 'notes.png');
    await expect(readPicture(path, { shape: [2, 2, 1] })).rejects.toThrow(path);
    writeFileSync(path, 'not a picture');
    await expect(readPicture(path, { shape: [2, 2, 1] })).rejects.toThrow(
      `${path}: this is no picture (PNG, JPEG, WebP, GIF, TIFF, AVIF)`,
    );
  });
});
