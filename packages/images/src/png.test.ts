import { describe, expect, test } from '@jest/globals';
import { Random } from '@ddpm/random';
import sharp from 'sharp';
import { crc32, deflateSync } from 'node:zlib';
import type { ByteImage, Channels } from './image';
import { decodePng, encodePng, readPngHeader } from './png';

const random = new Random(5);
const bytes = (n: number) => Uint8Array.from(random.integers(n, 256));
const picture = (width: number, height: number, channels: Channels): ByteImage => ({
  width,
  height,
  channels,
  data: bytes(width * height * channels),
});

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}

function pngOf(width: number, height: number, colorType: number, interlace: number, pixels: Uint8Array): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, colorType, 0, 0, interlace], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', pixels), chunk('IEND', new Uint8Array(0))]);
}

describe('encodePng', () => {
  test.each([1, 3, 4] as const)('%d channels are read back the same, by us and by libvips', async (channels) => {
    const image = picture(7, 5, channels);
    const png = encodePng(image);
    expect(decodePng(png)).toEqual(image);
    expect(readPngHeader(png)).toEqual({ width: 7, height: 5, channels });
    const { data, info } = await sharp(png)
      .toColourspace(channels === 1 ? 'b-w' : 'srgb')
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect([info.width, info.height, info.channels]).toEqual([7, 5, channels]);
    expect(new Uint8Array(data)).toEqual(image.data);
  });
});

describe('decodePng', () => {
  test('reads palettes, interlaced and 16-bit files of another encoder', async () => {
    const image: ByteImage = {
      width: 6,
      height: 9,
      channels: 3,
      data: Uint8Array.from({ length: 162 }, (_, i) => [0, 64, 255][(i % 7) % 3]),
    };
    const raw = sharp(image.data, { raw: image });
    for (const options of [{ palette: true }, { progressive: true }, { palette: true, colours: 8 }]) {
      expect(decodePng(await raw.clone().png(options).toBuffer())).toEqual(image);
    }
    const wide = await raw.clone().toColourspace('rgb16').png().toBuffer();
    expect(wide[24]).toBe(16);
    expect(decodePng(wide).data).toEqual(image.data);
    // The upper 8 bits, where rounding would give 129.
    const gray16 = sharp(Uint16Array.of(0x80ff, 0xffff, 0x00ff), {
      raw: { width: 3, height: 1, channels: 1 },
    }).toColourspace('grey16');
    expect([...decodePng(await gray16.png().toBuffer()).data]).toEqual([0x80, 0xff, 0x00]);
  });

  test('converts to the channels asked for', () => {
    const gray = picture(3, 2, 1);
    expect(decodePng(encodePng(gray), { channels: 3 }).data).toEqual(
      Uint8Array.from([...gray.data].flatMap((v) => [v, v, v])),
    );
  });

  test('refuses a picture larger than it was told, whatever the file size', () => {
    const small = deflateSync(new Uint8Array(10));
    expect(() => decodePng(pngOf(2 ** 31 - 1, 2 ** 31 - 1, 6, 0, small))).toThrow(/is more than 67108864 pixels/);
    expect(() => decodePng(encodePng(picture(20, 20, 1)), { maxPixels: 399 })).toThrow(
      'PNG: 20×20 is more than 399 pixels',
    );
    // 64 MB of zeros in 64 kB: more than 4×4 pixels need.
    const bomb = deflateSync(new Uint8Array(2 ** 26));
    for (const interlace of [0, 1]) {
      expect(() => decodePng(pngOf(4, 4, 6, interlace, bomb))).toThrow(
        'PNG: damaged or truncated (there are more pixels than its header says)',
      );
    }
  });

  test('refuses a second header, which could say another size', () => {
    const png = encodePng(picture(4, 4, 1));
    const large = pngOf(30000, 30000, 0, 0, new Uint8Array(0)).subarray(8, 33);
    expect(() => decodePng(Buffer.concat([png.subarray(0, 33), large, png.subarray(33)]))).toThrow(
      'PNG: damaged (it has more than one header)',
    );
  });

  test('refuses a picture whose last rows are missing', () => {
    const rows = (n: number) => deflateSync(new Uint8Array(n * 65));
    expect(decodePng(pngOf(64, 64, 0, 0, rows(64))).data).toEqual(new Uint8Array(4096));
    for (const n of [0, 1, 63]) {
      expect(() => decodePng(pngOf(64, 64, 0, 0, rows(n)))).toThrow('PNG: damaged or truncated (pixels are missing)');
    }
    expect(() => decodePng(pngOf(64, 64, 0, 1, rows(64)))).toThrow('PNG: damaged or truncated (pixels are missing)');
    // What comes after the end does not count.
    const short = pngOf(64, 64, 0, 0, new Uint8Array(0));
    const [start, end] = [short.subarray(0, 33), short.subarray(-12)];
    expect(() => decodePng(Buffer.concat([start, end, chunk('IDAT', rows(64))]))).toThrow('PNG: damaged or truncated');
  });

  test('says nothing of the code that reads a file with a part that is too short', () => {
    const png = encodePng(picture(6, 2, 3));
    // After the header, transparency of 2 bytes, where RGB needs 6.
    const file = Buffer.concat([png.subarray(0, 33), chunk('tRNS', Uint8Array.of(1, 2)), png.subarray(33)]);
    expect(() => decodePng(file)).toThrow(/^PNG: damaged or truncated \(the pixels cannot be inflated\)$/);
  });

  test('every truncation and any damage gives the picture or one clear line', () => {
    const image = picture(9, 8, 3);
    const png = encodePng(image);
    for (let length = 0; length < png.length - 12; length++)
      expect(() => decodePng(png.subarray(0, length))).toThrow(/^PNG: [^\n]+$/);
    const interlaced = pngOf(4, 4, 2, 1, deflateSync(new Uint8Array(80)));
    for (let k = 0; k < 2000; k++) {
      const damaged = Uint8Array.from(k % 2 ? png : interlaced);
      for (let i = random.integer(4); i >= 0; i--) damaged[random.integer(damaged.length)] = random.integer(256);
      try {
        const { data, width, height, channels } = decodePng(damaged);
        expect(data.length).toBe(width * height * channels);
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
        expect((error as Error).message).toMatch(/^PNG: [^\n]+$/);
      }
    }
  });
});
