import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { encodePng } from '@ddpm/images/png';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { environment, installed, mpirun } from '../../../packages/mpi/test/mpirun.mjs';

const cli = resolve('dist/cli.js');
const where = installed ? `by ${installed}` : '(skipped: there is no mpirun on PATH)';
const testWithMpi = installed ? test : test.skip;
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ddpm-processes-'));
  mkdirSync(join(folder, 'images'));
  for (let i = 0; i < 300; i++) {
    const data = Uint8Array.from({ length: 4 }, (_, k) => (k * (i + 3) * 5 + i) % 256);
    writeFileSync(join(folder, 'images', `${i}.png`), encodePng({ width: 2, height: 2, channels: 1, data }));
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

// Micro-batches of 128, and a rest of one.
const options = ['--dataset', 'folder', '--data-dir', 'images', '--dim', '4', '--dim-mults', '1', '--timesteps', '6'];
const often = ['--batch-size', '257', '--validation', '8', '--validate-every', '1', '--checkpoint-every', '1'];
const train = [...options, ...often, '--backend', 'compiled'];
const hash = (run: string) =>
  createHash('sha256')
    .update(readFileSync(join(folder, run, 'checkpoint.safetensors')))
    .digest('hex');

testWithMpi(`a run begun by two processes ends at the same bits on one ${where}`, () => {
  const alone = (...args: string[]) =>
    spawnSync(process.execPath, [cli, ...args], { cwd: folder, encoding: 'utf8', env: environment });
  const two = mpirun(2, [cli, ...train, '--steps', '1', '--out', 'two'], { cwd: folder });
  expect({ stderr: two.stderr, status: two.status }).toEqual({ stderr: '', status: 0 });
  expect(two.stdout).toContain('2 processes on 1 machine');
  expect(two.stdout.match(/Validation loss after 1 steps/g)).toHaveLength(1);
  expect(alone('--resume', 'two', '--steps', '2').status).toBe(0);
  expect(alone(...train, '--steps', '2', '--out', 'one').status).toBe(0);
  expect(hash('two')).toBe(hash('one'));
});

testWithMpi(`processes with other settings are refused in one line ${where}`, () => {
  const own = `process.argv = [process.execPath, ${JSON.stringify(cli)}, ...process.argv.slice(2)];
    process.argv.push('--seed', process.env.OMPI_COMM_WORLD_RANK ?? process.env.PMI_RANK);
    await import(${JSON.stringify(cli)});`;
  writeFileSync(join(folder, 'own.mjs'), own);
  const { stderr, status } = mpirun(2, ['own.mjs', ...train, '--out', 'none'], { cwd: folder });
  expect(stderr.split('\n').filter((line) => line.startsWith('ddpm'))).toEqual([
    'ddpm-train: the processes do not belong together: seed is 0 for process 0, 1 for process 1',
  ]);
  expect(status).not.toBe(0);
});
