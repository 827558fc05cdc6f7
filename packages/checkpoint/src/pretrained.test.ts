import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { pretrainedCheckpoint } from './index';

let folder: string;
beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'ddpm-pretrained-')));
});
afterAll(() => rmSync(folder, { recursive: true }));

function install(name: string, code: string) {
  const home = join(folder, 'node_modules', ...name.split('/'));
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, 'package.json'), JSON.stringify({ type: 'commonjs', exports: './index.js' }));
  writeFileSync(join(home, 'index.js'), code);
  return home;
}

test('a pretrained model is found beside what asks for it, by its short name or that of its package', async () => {
  const code = "exports.checkpoint = require('url').pathToFileURL(__dirname + '/weights');";
  const home = install('@ddpm/pretrained-tiny', code);
  writeFileSync(join(home, 'weights'), '');
  const bases = [join(folder, 'app.js')];
  expect(await pretrainedCheckpoint('tiny', { bases })).toBe(join(home, 'weights'));
  expect(await pretrainedCheckpoint('@ddpm/pretrained-tiny', { bases })).toBe(join(home, 'weights'));
});

test('one that is not there, or none, is one line', async () => {
  install('@ddpm/pretrained-empty', "exports.checkpoint = require('url').pathToFileURL(__dirname + '/weights');");
  const bases = [join(folder, 'app.js')];
  await expect(pretrainedCheckpoint('huge', { bases })).rejects.toThrow(
    'there is no pretrained model huge: @ddpm/pretrained-huge is not installed (npm install @ddpm/pretrained-huge)',
  );
  await expect(pretrainedCheckpoint('@ddpm/pretrained-empty', { bases })).rejects.toThrow(
    '@ddpm/pretrained-empty should export a checkpoint, the URL of a file that is there, but does not',
  );
});
