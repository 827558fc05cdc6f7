import { expect, test } from '@jest/globals';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultCacheDir, writeWhole } from './cache';

test('the cache is where each system keeps caches, or where one is told', () => {
  const at = (platform: string, env = {}) => defaultCacheDir({ platform, env, home: '/home/me' });
  expect(at('linux')).toBe(join('/home/me', '.cache', 'ddpm'));
  expect(at('linux', { XDG_CACHE_HOME: '/x' })).toBe(join('/x', 'ddpm'));
  expect(at('darwin')).toBe(join('/home/me', 'Library', 'Caches', 'ddpm'));
  expect(at('win32', { LOCALAPPDATA: '/local' })).toBe(join('/local', 'ddpm', 'Cache'));
  expect(at('win32')).toBe(join('/home/me', 'AppData', 'Local', 'ddpm', 'Cache'));
  expect(at('darwin', { DDPM_CACHE_DIR: '/mine' })).toBe('/mine');
});

test('writeWhole makes the folder, replaces, and leaves nothing behind when it fails', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cache-'));
  try {
    const path = join(folder, 'a', 'b', 'file');
    await writeWhole(path, Uint8Array.of(1));
    await writeWhole(path, Uint8Array.of(2, 3));
    expect([...readFileSync(path)]).toEqual([2, 3]);
    mkdirSync(join(folder, 'c', 'd'), { recursive: true });
    await expect(writeWhole(join(folder, 'c'), Uint8Array.of(1))).rejects.toThrow();
    expect(readdirSync(folder).sort()).toEqual(['a', 'c']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
