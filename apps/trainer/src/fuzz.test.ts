import { spawnSync } from 'node:child_process';
import { expect, test } from '@jest/globals';

test('300 damaged files for each reader of files from others give a result or one clear line', () => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['../../scripts/fuzz.mjs', '--runs', '300', '--seed', '7'],
    {
      encoding: 'utf8',
    },
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  for (const reader of [
    'safetensors',
    'torch-file',
    'png',
    'folder',
    'idx',
    'cifar',
    'checkpoint',
    'meaning',
    'config',
  ])
    expect(stdout).toMatch(new RegExp(`${reader}.* 300 `));
});
