import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { readCheckpoint } from '@ddpm/checkpoint';
import { encodePng } from '@ddpm/images/png';
import { afterAll, beforeAll, expect, test } from '@jest/globals';

// The model of the README, as it is written there, lying where its packages can be found from.
const cli = resolve('dist/cli.js');
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(resolve('.'), '.network-'));
  writeFileSync(join(folder, 'my-model.mjs'), /^```js\n([\s\S]*?)^```$/m.exec(readFileSync('README.md', 'utf8'))![1]);
  mkdirSync(join(folder, 'images'));
  for (let i = 0; i < 10; i++) {
    const data = Uint8Array.from({ length: 48 }, (_, k) => (k * (i + 3)) % 256);
    writeFileSync(join(folder, 'images', `${i}.png`), encodePng({ width: 8, height: 6, channels: 1, data }));
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

function train(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args], { cwd: folder, encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
}
const data = ['--dataset', 'folder', '--data-dir', 'images', '--timesteps', '20', '--batch-size', '5'];
const settings = [
  ...data,
  '--network',
  './my-model.mjs',
  '--network-options',
  '{"width": 4, "timesteps": 20}',
  '--sample-every',
  '0',
];
const weights = async (run: string) => (await readCheckpoint(join(folder, run, 'checkpoint.safetensors'))).weights;

test('a model of tfjs-layers trains on both kinds of backends alike', async () => {
  for (const backend of ['compiled', 'cpu']) {
    const said = train(...settings, '--steps', '4', '--backend', backend, '--out', backend);
    expect(said).toContain('Network: ./my-model.mjs, 305 parameters');
  }
  const [compiled, cpu] = [await weights('compiled'), await weights('cpu')];
  const kernel = (i: number) => [`denoiser.layers.${i}.kernel`, `denoiser.layers.${i}.bias`];
  expect([...cpu.keys()]).toEqual(['denoiser.layers.2.embeddings', ...kernel(3), ...kernel(7), ...kernel(8)]);
  for (const [name, { data: values }] of cpu) {
    const other = compiled.get(name)!.data;
    expect(Math.max(...values.map((value, i) => Math.abs(value - other[i])))).toBeLessThan(1e-4);
  }
});

test('its checkpoint gives it back by name: a resumed run ends with the weights of one that was never stopped', async () => {
  train(...settings, '--steps', '2', '--backend', 'cpu', '--out', 'resumed');
  train('--resume', 'resumed', '--steps', '4');
  expect(await weights('resumed')).toEqual(await weights('cpu'));
});

test('--blind allows a network that ignores t, and only that does', () => {
  writeFileSync(
    join(folder, 'blind.mjs'),
    `import * as tf from '@tensorflow/tfjs';
    export default () => ({ filter: tf.variable(tf.zeros([1, 1, 1, 1])), apply(xt, t) { return tf.conv2d(xt, this.filter, 1, 'same'); } });`,
  );
  const args = [
    ...data,
    '--network',
    './blind.mjs',
    '--steps',
    '2',
    '--backend',
    'cpu',
    '--sample-every',
    '0',
    '--out',
    'blind',
  ];
  expect(spawnSync(process.execPath, [cli, ...args], { cwd: folder, encoding: 'utf8' })).toMatchObject({
    status: 1,
    stderr:
      'ddpm-train: network ./blind.mjs ignores t: whatever its parameters, its output is the same at every noise level; use t in apply(xt, t), or allow it by --blind\n',
  });
  expect(existsSync(join(folder, 'blind'))).toBe(false);
  train(...args, '--blind');
});
