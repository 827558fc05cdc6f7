import { afterAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Archive, KnownFile } from './archive';
import { openArchive } from './archive';
import { fashionMnist } from './fashion-mnist';
import { openDataset } from './open';
import type { Progress } from './download';

const idx = (shape: number[], data: number[]) =>
  Uint8Array.from([0, 0, 8, shape.length, ...shape.flatMap((n) => [0, 0, 0, n]), ...data]);
const contents = new Map([
  ['train-images', idx([2, 1, 2], [1, 2, 3, 4])],
  ['train-labels', idx([2], [1, 0])],
  ['test-images', idx([1, 1, 2], [5, 6])],
  ['test-labels', idx([1], [0])],
]);
const known = (name: string): KnownFile => {
  const bytes = contents.get(name)!;
  return { name, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
};
const zipped = (path: string) => gzipSync(contents.get(path.replace(/^.*\/|\.gz$/g, ''))!);

const root = mkdtempSync(join(tmpdir(), 'archive-'));
let dataDir: string;
let cacheDir: string;
let places = 0;
beforeEach(() => {
  [dataDir, cacheDir] = ['data', 'cache'].map((name) => join(root, `${name}${places++}`));
  mkdirSync(dataDir);
});
afterAll(() => rmSync(root, { recursive: true }));

const archiveAt = (urls: string[], folders: string[] = []): Archive => ({
  name: 'tiny',
  files: {
    train: { images: known('train-images'), labels: known('train-labels') },
    test: { images: known('test-images'), labels: known('test-labels') },
  },
  classNames: ['a', 'b'],
  folders,
  urls,
  help: 'ask nicely',
});

/** Runs `use` with the address of a server on this machine, and closes it with all its connections. */
async function serving<T>(listener: RequestListener, use: (url: string) => Promise<T>): Promise<T> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  try {
    return await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

describe('openArchive', () => {
  test('finds files in the data folder, gzipped or not, without touching the cache', async () => {
    for (const name of ['train-images', 'train-labels']) writeFileSync(join(dataDir, `${name}.gz`), zipped(name));
    for (const name of ['test-images', 'test-labels']) writeFileSync(join(dataDir, name), contents.get(name)!);
    const train = await openArchive(archiveAt([]), { dataDir, cacheDir });
    expect([train.size, train.shape, train.image(1), train.label?.(0), train.classNames]).toEqual([
      2,
      [1, 2, 1],
      expect.anything(),
      1,
      ['a', 'b'],
    ]);
    expect([...(await train.image(1))]).toEqual([3, 4]);
    const test = await openArchive(archiveAt([]), { dataDir, cacheDir, split: 'test' });
    expect([...(await test.image(0))]).toEqual([5, 6]);
    expect(existsSync(cacheDir)).toBe(false);
  });

  test('finds files under the names that Kaggle gives them', async () => {
    // train-images.idx3-ubyte, and a folder train-labels-idx1-ubyte with the file of that name.
    const renamed = (name: string, kind: string) => ({ ...known(name), name: `${name}-${kind}-ubyte` });
    const kaggle = archiveAt([]);
    const train = { images: renamed('train-images', 'idx3'), labels: renamed('train-labels', 'idx1') };
    writeFileSync(join(dataDir, 'train-images.idx3-ubyte'), contents.get('train-images')!);
    mkdirSync(join(dataDir, 'train-labels-idx1-ubyte'));
    writeFileSync(join(dataDir, 'train-labels-idx1-ubyte', 'train-labels-idx1-ubyte'), contents.get('train-labels')!);
    mkdirSync(join(dataDir, 'train-images-idx3-ubyte'));
    const dataset = await openArchive({ ...kaggle, files: { ...kaggle.files, train } }, { dataDir, cacheDir });
    expect([...(await dataset.image(1))]).toEqual([3, 4]);
    expect(dataset.label?.(0)).toBe(1);
  });

  test('finds files where other software puts them', async () => {
    for (const name of ['train-images', 'train-labels']) writeFileSync(join(dataDir, name), contents.get(name)!);
    expect((await openArchive(archiveAt([], [dataDir]), { cacheDir })).size).toBe(2);
  });

  test('downloads once, reports progress, and then needs no network', async () => {
    const progress: Progress[] = [];
    await serving(
      (request, response) => response.end(zipped(request.url!)),
      (url) => openArchive(archiveAt([url]), { dataDir, cacheDir, onProgress: (p) => progress.push(p) }),
    );
    const size = zipped('train-images').length;
    expect(progress).toContainEqual({ name: 'train-images.gz', received: size, total: size });
    expect(readdirSync(join(cacheDir, 'tiny')).sort()).toEqual(['train-images.gz', 'train-labels.gz']);
    expect((await openArchive(archiveAt([]), { cacheDir })).size).toBe(2);
  });

  test('a damaged file in the cache is fetched again; one in the data folder is an error', async () => {
    mkdirSync(join(cacheDir, 'tiny'), { recursive: true });
    writeFileSync(join(cacheDir, 'tiny', 'train-labels.gz'), zipped('train-labels').subarray(0, 20));
    await serving(
      (request, response) => response.end(zipped(request.url!)),
      (url) => openArchive(archiveAt([url]), { cacheDir }),
    );
    expect(readFileSync(join(cacheDir, 'tiny', 'train-labels.gz'))).toEqual(zipped('train-labels'));

    const wrong = contents.get('train-labels')!.slice();
    wrong[8] ^= 1;
    writeFileSync(join(dataDir, 'train-labels'), wrong);
    await expect(openArchive(archiveAt([]), { dataDir, cacheDir })).rejects.toThrow(
      /^tiny: .*train-labels: wrong checksum \(SHA-256 [0-9a-f]{12}…, expected [0-9a-f]{12}…\)$/,
    );
  });

  const failures: [string, RequestListener, RegExp][] = [
    ['404', (_, response) => void response.writeHead(404).end('no'), /HTTP 404 Not Found/],
    ['a wrong checksum', (_, response) => void response.end(gzipSync(idx([2], [0, 0]))), /wrong checksum/],
    ['another length', (_, response) => void response.end(gzipSync(idx([1], [0]))), /bytes uncompressed, expected 10/],
    [
      'a page instead of the file',
      (_, response) => void response.end('<html>Sign in</html>'),
      /bytes uncompressed, expected/,
    ],
    [
      'a bomb',
      (_, response) => void response.end(gzipSync(new Uint8Array(2 ** 24))),
      /it inflates to more than 10 bytes/,
    ],
    ['endless data', (_, response) => pour(response), /more than the 1048586 bytes expected/],
    [
      'a truncated body',
      (_, response) => {
        response.writeHead(200, { 'content-length': 1000 }).write('half', () => response.destroy());
      },
      /terminated \(/,
    ],
    ['a connection cut before an answer', (request) => void request.socket.destroy(), /fetch failed \(/],
    ['silence', () => {}, /nothing arrived for 0\.2 s/],
    [
      'silence in the middle',
      (_, response) => void response.writeHead(200, { 'content-length': 1000 }).write('half'),
      /nothing arrived for 0\.2 s/,
    ],
  ];
  test.each(failures)('%s: passed over, said, and nothing is left half written', async (what, listener, reason) => {
    const stallMs = what.startsWith('silence') ? 200 : undefined;
    const error = await serving(listener, (url) => openArchive(archiveAt([url]), { dataDir, cacheDir, stallMs })).then(
      () => new Error('opened'),
      (reason: Error) => reason,
    );
    expect(error.message).toMatch(/^tiny: train-labels could not be had\. Tried: [^\n]*\. Ways to get it: ask nicely$/);
    expect(error.message).toContain(`${join(dataDir, 'train-labels')} (not there)`);
    expect(error.message).toContain(`${join(cacheDir, 'tiny', 'train-labels')} (not there)`);
    expect(error.message).toMatch(reason);
    expect(readdirSync(join(cacheDir, 'tiny'))).toEqual([]);
  });

  test('a second address is used when the first fails', async () => {
    await serving(
      (request, response) =>
        request.url!.startsWith('/bad/') ? response.writeHead(500).end() : response.end(zipped(request.url!)),
      async (url) => expect((await openArchive(archiveAt([`${url}bad/`, `${url}good/`]), { cacheDir })).size).toBe(2),
    );
  });

  test('a cache folder that cannot be made is said before the download', async () => {
    writeFileSync(join(dataDir, 'file'), '');
    const inside = join(dataDir, 'file', 'cache');
    await expect(openArchive(archiveAt(['http://127.0.0.1:9/']), { cacheDir: inside })).rejects.toThrow(
      /^tiny: the cache folder cannot be made \(ENOTDIR.*\); set DDPM_CACHE_DIR to one that can$/,
    );
  });
});

/** Sends without end, until the other side hangs up. */
function pour(response: Parameters<RequestListener>[1]): void {
  const more = () => {
    while (!response.destroyed && response.write(new Uint8Array(2 ** 16)));
  };
  response.on('drain', more).on('error', () => {});
  more();
}

// The official files, where Debian's package dataset-fashion-mnist is installed.
const [debian] = fashionMnist.folders;
(existsSync(debian) ? describe : describe.skip)('Fashion-MNIST', () => {
  test('is what the package says, and begins with the part that ships here', async () => {
    const [train, part] = await Promise.all([
      openDataset('fashion-mnist', { cacheDir }),
      openDataset('fashion-mnist-10k', { cacheDir }),
    ]);
    expect([train.size, part.size, train.shape]).toEqual([60000, 10000, [28, 28, 1]]);
    for (const i of [0, 1234, 9999]) {
      expect(await part.image(i)).toEqual(await train.image(i));
      expect(part.label?.(i)).toBe(train.label?.(i));
    }
    expect((await openDataset('fashion-mnist', { cacheDir, split: 'test' })).size).toBe(10000);
  });
});
