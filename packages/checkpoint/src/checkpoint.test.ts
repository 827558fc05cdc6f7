import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { writeSafetensors } from '@ddpm/safetensors';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  createFolder,
  decodeCheckpoint,
  encodeCheckpoint,
  loadNetwork,
  readCheckpoint,
  reason,
  referenceIn,
  writeCheckpoint,
  writeFileAtomic,
} from './index';
import type { Checkpoint, NetworkReference } from './index';
import { loadNetwork as loadInPage } from './browser';

let folder: string;
beforeAll(async () => (folder = await mkdtemp(join(tmpdir(), 'ddpm-checkpoint-'))));
afterAll(() => rm(folder, { recursive: true }));

const checkpoint: Checkpoint = {
  networks: { denoiser: { name: '@ddpm/unet', options: { dim: 4, dimMults: [1] } } },
  meaning: { task: 'denoising', image: [8, 6, 3], betas: [0.1, 1 / 3] },
  step: 7,
  settings: { dataset: 'folder', seed: 3 },
  weights: new Map([['denoiser.initConv.weight', { shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) }]]),
  measured: new Map([['prior.mean', { shape: [1, 2], data: Float32Array.of(0.5, -0.5) }]]),
  state: new Map<string, Float32Array | Float64Array | Int32Array>([
    ['optimizer/m/denoiser.initConv.weight', Float32Array.of(5, 6, 7, 8)],
    ['optimizer/step', Float64Array.of(2 ** 24 + 1)],
    ['task/counts', Int32Array.of(3, -1)],
  ]),
};

describe('a single flipped bit', () => {
  test('is found anywhere in the file', async () => {
    const path = join(folder, 'flipped.safetensors');
    await writeCheckpoint(path, checkpoint);
    const bytes = await readFile(path);
    // The padding of the header may hold any white space.
    for (let at = 0; at < bytes.length; at += 7) {
      const damaged = Buffer.from(bytes);
      damaged[at] ^= 4;
      await writeFile(path, damaged);
      await expect(readCheckpoint(path)).rejects.toThrow('flipped.safetensors is not a usable checkpoint: ');
    }
  });
});

describe('checkpoints', () => {
  test('come back as they were', async () => {
    const path = join(folder, 'a.safetensors');
    await writeCheckpoint(path, checkpoint);
    expect(await readCheckpoint(path)).toMatchObject(checkpoint);
  });

  test.each<[string, () => Uint8Array | Promise<Uint8Array>, string]>([
    [
      'truncated',
      async () => (await readFile(join(folder, 'a.safetensors'))).subarray(0, -3),
      'outside the 53 bytes of data',
    ],
    [
      'another kind of file',
      () => writeSafetensors(new Map()),
      'its metadata should say format ddpm-checkpoint-2, not undefined',
    ],
    [
      'with a foreign tensor',
      () => write({}, { 'other/x': { shape: [1], data: new Float32Array(1) } }),
      'the tensor "other/x" has no place in it',
    ],
    [
      'with weights of another type',
      () => write({}, { 'weights/x': { shape: [1], data: new Int32Array(1) } }),
      'the tensor "weights/x" has no place in it',
    ],
    ['with a step that is none', () => write({ step: '-1' }), 'its step is -1'],
    [
      'with settings of another form',
      () => write({ settings: '[]' }),
      'its settings is not as expected: Invalid input',
    ],
    ['with networks that are not JSON', () => write({ networks: '{' }), 'its networks is not JSON'],
    [
      'with a network of another form',
      () => write({ networks: '{"denoiser":{"name":"","options":{}}}' }),
      'its networks.denoiser.name is not as expected: Too small',
    ],
    [
      'with an entry of more than a line',
      () => write({ networks: JSON.stringify({ denoiser: { name: 'x', options: {}, 'a\nb': 1 } }) }),
      'its networks.denoiser is not as expected: Unrecognized key: "a b"',
    ],
    ['without a checksum', () => write({}), 'its contents do not match its checksum'],
  ])('that are %s are refused in one line that names the file', async (_, make, message) => {
    const path = join(folder, 'wrong.safetensors');
    await writeFile(path, await make());
    const error = await readCheckpoint(path).then(
      () => undefined,
      (e: Error) => e,
    );
    expect(error?.message).toMatch(/wrong\.safetensors is not a usable checkpoint: [^\n]+$/);
    expect(error?.message).toContain(message);
    await expect(decodeCheckpoint(await readFile(path))).rejects.toThrow(/^[^\n]+$/);
  });
  function write(
    metadata: Record<string, string>,
    tensors: Record<string, { shape: number[]; data: Float32Array | Int32Array }> = {},
  ): Uint8Array {
    const networks = JSON.stringify(checkpoint.networks);
    return writeSafetensors(new Map(Object.entries(tensors)), {
      ...{ format: 'ddpm-checkpoint-2', step: '1', networks, meaning: '{}', settings: '{}' },
      ...metadata,
    });
  }

  test('are the same bytes wherever they are made, and need no file', async () => {
    const bytes = await encodeCheckpoint(checkpoint);
    expect(await encodeCheckpoint(checkpoint)).toEqual(bytes);
    expect(await decodeCheckpoint(bytes)).toMatchObject(checkpoint);
    const settings = { note: '"sha256":"' + '0'.repeat(64) + '"' };
    expect((await decodeCheckpoint(await encodeCheckpoint({ ...checkpoint, settings }))).settings).toEqual(settings);
  });

  test('that are missing are said to be', async () => {
    const path = join(folder, 'none.safetensors');
    await expect(readCheckpoint(path)).rejects.toThrow(`${path} cannot be read: there is no such file or folder`);
  });
});

describe('writeFileAtomic', () => {
  test('replaces a file, and leaves no other behind', async () => {
    const sub = join(folder, 'atomic');
    await mkdir(sub);
    await writeFileAtomic(join(sub, 'x'), 'old');
    await writeFileAtomic(join(sub, 'x'), 'new');
    expect(await readdir(sub)).toEqual(['x']);
    expect(await readFile(join(sub, 'x'), 'utf8')).toBe('new');
  });
  test('a failure names the file and leaves nothing behind', async () => {
    const sub = join(folder, 'failing');
    await mkdir(join(sub, 'x'), { recursive: true });
    // A file cannot take the place of a folder.
    await expect(writeFileAtomic(join(sub, 'x'), 'new')).rejects.toThrow(/x cannot be written: /);
    expect(await readdir(sub)).toEqual(['x']);
    await expect(writeFileAtomic(join(folder, 'nowhere', 'y'), '')).rejects.toThrow(
      'y cannot be written: there is no such file or folder',
    );
  });
  test('reasons are in words where the code has a common meaning', () => {
    expect(reason(Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' }))).toBe(
      'no space left on the disk',
    );
    expect(reason(new Error('something else'))).toBe('something else');
  });
});

describe('createFolder', () => {
  test('takes an empty folder, or the first free number', async () => {
    const path = join(folder, 'deep', 'run');
    expect(await createFolder({ path })).toBe(path);
    expect(await createFolder({ path })).toBe(path);
    const prefix = join(folder, 'runs', 'quick');
    expect([await createFolder({ prefix }), await createFolder({ prefix })]).toEqual([`${prefix}-1`, `${prefix}-2`]);
  });
  test('refuses one that is taken or cannot be', async () => {
    const path = join(folder, 'taken');
    await mkdir(path);
    await writeFile(join(path, 'file'), '');
    await expect(createFolder({ path })).rejects.toThrow(
      `${path} cannot be written to: it holds files already; name a new folder`,
    );
    await expect(createFolder({ path: join(path, 'file', 'below') })).rejects.toThrow(
      'cannot be written to: a part of its path is not a folder',
    );
    await expect(createFolder({ prefix: join(path, 'file', 'below') })).rejects.toThrow('cannot be written to: ');
  });
});

// A user namespace may mount, without being root; where that is not allowed, or not Linux, there is nothing to try it
// on.
const mountsReadOnly = ['-Urm', 'sh', '-c', 'mount -t tmpfs -o ro none "$0" && exec "$@"'];
const canMount = spawnSync('unshare', [...mountsReadOnly, tmpdir(), 'true']).status === 0;
(canMount ? test : test.skip)('a read-only file system is said to be one', async () => {
  const disk = join(folder, 'disk');
  await mkdir(disk);
  const script = `import(${JSON.stringify(pathToFileURL(resolve('dist/index.js')).href)}).then(async ({ createFolder, saveCheckpoint }) => {
    const path = ${JSON.stringify(disk)};
    const checkpoint = { networks: {}, meaning: {}, step: 0, settings: {}, weights: new Map(), state: new Map() };
    for (const work of [() => createFolder({ path: path + '/a/b' }), () => createFolder({ prefix: path + '/runs/x' }), () => saveCheckpoint(path, checkpoint)])
      await work().catch((error) => console.log(error.message));
  });`;
  const { stdout } = spawnSync('unshare', [...mountsReadOnly, disk, process.execPath, '-e', script], {
    encoding: 'utf8',
  });
  expect(stdout.trim().split('\n')).toEqual([
    `${join(disk, 'a', 'b')} cannot be written to: the file system is read-only`,
    `${join(disk, 'runs')} cannot be written to: the file system is read-only`,
    `${join(disk, 'checkpoints', 'step-0000000.safetensors')} cannot be written: the file system is read-only`,
  ]);
});

describe('loadNetwork', () => {
  test('takes the packages that it is given before all others, and in a page no others', async () => {
    const packages = {
      '@ddpm/unet': () => Promise.resolve({ default: (options: object) => ({ ...options, apply() {} }) }),
    };
    const reference = { name: '@ddpm/unet', options: { dim: 4 } };
    for (const load of [loadNetwork, loadInPage])
      await expect(load(reference, { packages })).resolves.toMatchObject({ dim: 4 });
    await expect(loadInPage({ ...reference, name: 'other' }, { packages })).rejects.toThrow(
      'network other is not known in this page, but only @ddpm/unet',
    );
  });

  const module = async (name: string, code: string) => {
    const path = join(folder, name);
    await writeFile(path, code);
    return path;
  };
  test('calls the default export of a file with the options', async () => {
    const name = await module('good.mjs', 'export default (options) => ({ options, apply: (x) => x });');
    const network = await loadNetwork<{ apply: unknown; options: unknown }>({ name, options: { dim: 4 } });
    expect(network.options).toEqual({ dim: 4 });
  });
  test('finds a package beside one of the bases', async () => {
    const base = join(folder, 'app');
    await mkdir(join(base, 'node_modules', 'some-network'), { recursive: true });
    await writeFile(
      join(base, 'node_modules', 'some-network', 'package.json'),
      '{"name":"some-network","type":"module","exports":"./index.js"}',
    );
    await writeFile(join(base, 'node_modules', 'some-network', 'index.js'), 'export default () => ({ apply() {} });');
    expect(
      typeof (await loadNetwork({ name: 'some-network', options: {} }, { bases: [join(base, 'cli.js')] })).apply,
    ).toBe('function');
  });
  test('finds a file from its run folder, though both have moved and the current folder is another', async () => {
    const [before, after] = [join(folder, 'before'), join(folder, 'after')];
    await mkdir(join(before, 'runs', '1'), { recursive: true });
    await mkdir(join(before, 'networks'));
    await module(join('before', 'networks', 'net.mjs'), 'export default (options) => ({ options, apply() {} });');
    const reference = { name: './net.mjs', options: { dim: 4 }, folder: '../../networks' };
    const run = join(after, 'runs', '1');
    await expect(loadNetwork(reference, { run: join(before, 'runs', '1') })).resolves.toMatchObject({
      options: { dim: 4 },
    });
    await rename(before, after);
    await expect(loadNetwork(reference, { run })).resolves.toMatchObject({ options: { dim: 4 } });
    await rm(join(after, 'networks', 'net.mjs'));
    const file = join(await realpath(after), 'networks', 'net.mjs');
    await expect(loadNetwork(reference, { run })).rejects.toThrow(
      `network ./net.mjs cannot be found: there is no ${file} and no ${resolve('net.mjs')}`,
    );
  });
  test('a reference in a run folder knows where a relative name is named from, and no other needs it', async () => {
    const run = join(folder, 'project', 'runs', '1');
    await mkdir(run, { recursive: true });
    await mkdir(join(folder, 'project', 'networks'));
    await module(join('project', 'networks', 'net.mjs'), '');
    const file: NetworkReference = { name: './net.mjs', options: {} };
    expect(referenceIn(run, file, { ...file, folder: '../../networks' }).folder).toBe('../../networks');
    // Named from the current folder, since it is not there any more.
    const expected = relative(await realpath(run), process.cwd()).replaceAll('\\', '/');
    expect(referenceIn(run, { ...file, name: './src/index.ts' }, { ...file, folder: '../../networks' }).folder).toBe(
      expected,
    );
    for (const name of ['@ddpm/unet', resolve('net.mjs')])
      expect(referenceIn(run, { name, options: {} })).toEqual({ name, options: {} });
  });
  test('says in one line that there is none', async () => {
    await expect(loadNetwork({ name: 'no-such-package-anywhere', options: {} })).rejects.toThrow(
      /^network no-such-package-anywhere cannot be found: install it, or name a file by \.\/path \([^\n]+\)$/,
    );
  });
  test.each([
    ['none.mjs', 'export const x = 1;', 'must export as its default a function from options to a network'],
    ['object.mjs', 'export default { apply() {} };', 'must export as its default a function from options to a network'],
    ['shapeless.mjs', 'export default () => ({});', 'must return an object with a function apply(xt, t)'],
    ['nothing.mjs', 'export default () => {};', 'must return an object with a function apply(xt, t)'],
    [
      'refusing.mjs',
      'export default () => { throw new RangeError("dim is missing"); };',
      'does not accept {"dim":4}: dim is missing',
    ],
    ['rude.mjs', 'export default () => { throw "no"; };', 'does not accept {"dim":4}: no'],
    ['failing.mjs', 'throw new Error("no\\nluck");', 'cannot be imported: no'],
    ['sullen.mjs', 'throw null;', 'cannot be imported: null'],
    ['broken.mjs', 'export default (', 'cannot be imported: Unexpected end of input'],
  ])('says in one line what is wrong with %s', async (file, code, message) => {
    const name = await module(file, code);
    await expect(loadNetwork({ name, options: { dim: 4 } })).rejects.toMatchObject({
      message: `network ${name} ${message}`,
    });
  });
});
