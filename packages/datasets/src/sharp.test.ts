import { afterAll, beforeEach, expect, jest, test } from '@jest/globals';
import { encodePng } from '@ddpm/images/png';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folder = mkdtempSync(join(tmpdir(), 'no-sharp-'));
afterAll(() => rmSync(folder, { recursive: true }));

const JPEG_START = Uint8Array.of(0xff, 0xd8, 0xff, 0xe0);
let failure: Error;
jest.unstable_mockModule('sharp', () => {
  throw failure;
});
beforeEach(() => {
  jest.resetModules();
});

test('without sharp, PNG opens and the rest says how to get it', async () => {
  failure = Object.assign(new Error("Cannot find package 'sharp'"), { code: 'ERR_MODULE_NOT_FOUND' });
  const { openFolder } = await import('./folder');
  writeFileSync(
    join(folder, 'a.png'),
    encodePng({ width: 2, height: 2, channels: 1, data: Uint8Array.of(1, 2, 3, 4) }),
  );
  expect([...(await (await openFolder(folder)).image(0))]).toEqual([1, 2, 3, 4]);
  expect(await (await openFolder(folder, { size: [4, 4] })).image(0)).toHaveLength(16);
  writeFileSync(join(folder, 'b.jpg'), JPEG_START);
  await expect(openFolder(folder)).rejects.toThrow(/b\.jpg: all pictures but PNG need sharp: npm install sharp$/);
});

test('a sharp that does not load says why', async () => {
  failure = new Error('Could not load the "sharp" module using the linux-x64 runtime\nPossible solutions:');
  const { openFolder } = await import('./folder');
  writeFileSync(join(folder, 'b.jpg'), JPEG_START);
  await expect(openFolder(folder)).rejects.toThrow(
    /npm install sharp \(installed, but it does not load: Could not load the "sharp" module using the linux-x64 runtime\)$/,
  );
});
