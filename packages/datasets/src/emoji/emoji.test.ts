import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { openDrawings } from './drawings';
import { openEmoji } from './dataset';
import { VENDORS } from './vendors';

const root = mkdtempSync(join(tmpdir(), 'emoji-'));
const [from, cacheDir] = [join(root, 'project'), join(root, 'cache')];
afterAll(() => rmSync(root, { recursive: true }));

function write(name: string, content: object | Uint8Array) {
  const path = join(from, 'node_modules', name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content instanceof Uint8Array ? content : JSON.stringify(content));
}

// Forty emoji from U+1F600 on, each a square of its own colour; of a vendor each a shade of its own.
const emoji = Array.from({ length: 40 }, (_, i) => String.fromCodePoint(0x1f600 + i));
const shade = (i: number, vendor: number) => `#${(0x100000 + 0x60000 * i + 0x10 * vendor).toString(16)}`;
beforeAll(async () => {
  write('unicode-emoji-json/package.json', { version: '1.0.0' });
  const names = emoji.map((character, i) => [character, { name: `face ${i}`, slug: `face_${i}` }]);
  write('unicode-emoji-json/data-by-emoji.json', Object.fromEntries(names) as object);
  write('emojilib/package.json', { version: '1.0.0' });
  write('emojilib/dist/emoji-en-US.json', { [emoji[0]]: ['face_0', 'big_grin', 'joy'] });
  for (const [v, { package: name, kind }] of VENDORS.entries()) {
    write(`${name}/package.json`, { version: '1.0.0' });
    if (kind === 'pictures') {
      const picture = await sharp({ create: { width: 8, height: 8, channels: 3, background: '#102030' } })
        .webp()
        .toBuffer();
      write(`${name}/assets/1f600-fe0f.webp`, picture);
      continue;
    }
    const icons = emoji.map((_, i) => [`face-${i}`, { body: `<path fill="${shade(i, v)}" d="M0 0h4v8H0z"/>` }]);
    // The last is the first, from right to left.
    const aliases = { 'face-39': { parent: 'face-0', hFlip: true } };
    write(`${name}/icons.json`, {
      width: 8,
      height: 8,
      aliases,
      icons: Object.fromEntries(icons.slice(0, 39)) as object,
    });
  }
  write(
    '@iconify-json/noto/chars.json',
    Object.fromEntries(emoji.map((_, i) => [(0x1f600 + i).toString(16), `face-${i}`])),
  );
});

test('renders every drawing once, alike ones once, and keeps them', async () => {
  const splits = await Promise.all(
    (['train', 'test', 'held-out'] as const).map((split) =>
      openEmoji({ split, size: 8, from: [from], cacheDir, minimum: 30 }),
    ),
  );
  expect(readdirSync(join(cacheDir, 'emoji'))).toHaveLength(1);
  expect(readdirSync(join(cacheDir, 'emoji'))[0]).toMatch(/^8-[0-9a-f]{12}\.safetensors$/);
  const [train, unseen, pairs] = splits;
  // Seven vendors draw forty, one draws one.
  expect(train.size + unseen.size + pairs.size).toBe(7 * 40 + 1);
  const kinds = splits.map((split) => Array.from({ length: split.size }, (_, i) => split.captions!(i)[0]));
  const [namesOfTrain, namesUnseen, namesOfPairs] = kinds.map(
    (captions) => new Set(captions.map((caption) => caption.replace(/^\S+ /, ''))),
  );
  for (const name of namesUnseen) expect(namesOfTrain.has(name) || namesOfPairs.has(name)).toBe(false);
  for (const name of namesOfPairs) expect(namesOfTrain.has(name)).toBe(true);
  expect(unseen.size % 7).toBeLessThan(2);
  expect(pairs.size).toBeGreaterThan(10);
  for (const pair of kinds[2]) expect(kinds[0]).not.toContain(pair);
  expect(kinds.flat()).toContain('twitter face 3');

  const at = kinds[0].indexOf('noto face 0');
  const pixels = await train.image(at);
  const pixel = (x: number) => [...pixels.subarray(3 * (8 + x), 3 * (8 + x) + 3)];
  expect([pixel(1), pixel(6)]).toEqual([
    [0x10, 0, 0],
    [255, 255, 255],
  ]);
  const captions = train.captions!(at);
  expect(captions).toHaveLength(6);
  for (const caption of captions.slice(1)) expect(caption).toMatch(/^(noto )?face 0, (big grin|joy|face_0|face 0)/);
});

test('an alias is turned round', async () => {
  const { folder } = { folder: join(from, 'node_modules', '@iconify-json/noto') };
  const drawings = await openDrawings(VENDORS[0], folder);
  const svg = new TextDecoder().decode(
    await drawings({ character: emoji[39], name: '', slug: 'face-39', keywords: [] })!.read(),
  );
  expect(svg).toContain('<g transform="translate(8 0) scale(-1 1)"><path fill="#100000"');
  expect(drawings({ character: 'x', name: '', slug: 'no-face', keywords: [] })).toBeUndefined();
});

test('names what is not installed, and a cache that is damaged', async () => {
  const bare = join(root, 'bare');
  mkdirSync(bare);
  // Another tool may have brought the names or keywords along.
  await expect(openEmoji({ from: [bare], cacheDir })).rejects.toThrow(
    `emoji: its drawings are in packages: npm install ${VENDORS.map((vendor) => vendor.package).join(' ')} `,
  );
  const [file] = readdirSync(join(cacheDir, 'emoji'));
  const path = join(cacheDir, 'emoji', file);
  writeFileSync(path, readFileSync(path).subarray(0, 100));
  await expect(openEmoji({ size: 8, from: [from], cacheDir })).rejects.toThrow(
    /^emoji: .*8-[0-9a-f]{12}\.safetensors: .*; remove it, and it is made again$/,
  );
});
