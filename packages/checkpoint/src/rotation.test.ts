import { spawn, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { findCheckpoint, lockFolder, runFolderOf, saveCheckpoint } from './index';
import type { Checkpoint } from './index';

let top: string;
let run: string;
let count = 0;
beforeAll(async () => (top = await mkdtemp(join(tmpdir(), 'ddpm-rotation-'))));
beforeEach(async () => {
  run = join(top, `run-${count++}`);
  await mkdir(run);
});
afterAll(() => rm(top, { recursive: true }));

const at = (step: number): Checkpoint => ({
  networks: { denoiser: { name: 'n', options: {} } },
  meaning: {},
  step,
  settings: {},
  weights: new Map([['denoiser.w', { shape: [1], data: Float32Array.of(step) }]]),
  state: new Map(),
});
const save = async (...steps: number[]) => {
  for (const step of steps) await saveCheckpoint(run, at(step));
};
const path = (step: number) => join(run, 'checkpoints', `step-${String(step).padStart(7, '0')}.safetensors`);

describe('saveCheckpoint and findCheckpoint', () => {
  test('keep the newest three, by number, and checkpoint.safetensors is the newest', async () => {
    await save(8, 9, 10, 11, 100);
    expect(await readdir(join(run, 'checkpoints'))).toEqual([
      'step-0000010.safetensors',
      'step-0000011.safetensors',
      'step-0000100.safetensors',
    ]);
    expect(await readFile(join(run, 'checkpoint.safetensors'))).toEqual(await readFile(path(100)));
    expect(await findCheckpoint(run)).toMatchObject({ checkpoint: { step: 100 }, path: path(100), unusable: [] });
    expect([path(10), join(run, 'checkpoint.safetensors'), join(run, 'best.safetensors')].map(runFolderOf)).toEqual([
      run,
      run,
      run,
    ]);
  });

  test('keep what is good of fewer steps, where those of more are damaged', async () => {
    await save(1, 2, 3);
    await writeFile(path(3), '');
    await saveCheckpoint(run, at(2), { keep: 1 });
    expect(await readdir(join(run, 'checkpoints'))).toEqual(['step-0000002.safetensors', 'step-0000003.safetensors']);
    expect((await findCheckpoint(run)).checkpoint.step).toBe(2);
  });

  test('pass over one whose name tells other steps than it holds, and fall back on checkpoint.safetensors', async () => {
    await save(1, 2);
    await writeFile(path(9), await readFile(path(1)));
    expect(await findCheckpoint(run)).toMatchObject({
      checkpoint: { step: 2 },
      unusable: [`${path(9)} is not what its name says: it was made after 1 steps`],
    });
    await writeFile(path(1), '');
    await rm(path(2));
    expect(await findCheckpoint(run)).toMatchObject({
      checkpoint: { step: 2 },
      path: join(run, 'checkpoint.safetensors'),
    });
  });

  test('pass over a truncated and a corrupt one, and say so', async () => {
    await save(1, 2, 3);
    await writeFile(path(3), (await readFile(path(3))).subarray(0, -2));
    const corrupt = await readFile(path(2));
    corrupt[20] ^= 0xff;
    await writeFile(path(2), corrupt);
    const { checkpoint, unusable } = await findCheckpoint(run);
    expect(checkpoint.step).toBe(1);
    expect(unusable).toHaveLength(2);
    expect(unusable[0]).toMatch(/step-0000003\.safetensors is not a usable checkpoint: [^\n]+$/);
    await writeFile(path(1), '');
    await rm(join(run, 'checkpoint.safetensors'));
    await expect(findCheckpoint(run)).rejects.toThrow(
      /has no usable checkpoint: .*step-0000003.*step-0000002.*step-0000001/,
    );
  });

  test('ignore what a killed writer left, and an empty folder is said to hold no run', async () => {
    await save(5);
    await writeFile(join(run, 'checkpoints', '.step-0000006.safetensors.1.tmp'), 'half');
    expect((await findCheckpoint(run)).checkpoint.step).toBe(5);
    await expect(findCheckpoint(top)).rejects.toThrow(`${top} holds no run: `);
    await expect(findCheckpoint(join(top, 'none'))).rejects.toThrow(
      'none cannot be read: there is no such file or folder',
    );
  });
});

describe('lockFolder', () => {
  test('refuses a second holder until the first lets go', async () => {
    const release = await lockFolder(run);
    await expect(lockFolder(run)).rejects.toThrow(
      `${run} is in use by another trainer (process ${process.pid}); if that is no trainer, remove ${join(run, 'lock.json')}`,
    );
    await release();
    await (
      await lockFolder(run)
    )();
  });
  test('refuses while another process runs, and takes over once that was killed', async () => {
    const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    await writeFile(join(run, 'lock.json'), JSON.stringify({ pid: other.pid, host: hostname() }));
    await expect(lockFolder(run)).rejects.toThrow(`(process ${other.pid})`);
    const gone = new Promise((resolve) => other.on('exit', resolve));
    other.kill('SIGKILL');
    await gone;
    await (
      await lockFolder(run)
    )();
  });
  test('respects a holder on another machine, and replaces a lock that says nothing', async () => {
    await writeFile(join(run, 'lock.json'), JSON.stringify({ pid: 1, host: 'another' }));
    await expect(lockFolder(run)).rejects.toThrow('(process 1 on another); if that is no trainer, remove ');
    await writeFile(join(run, 'lock.json'), '');
    await (
      await lockFolder(run)
    )();
  });
  test('of a process that exits without letting go is free', async () => {
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    await writeFile(join(run, 'lock.json'), JSON.stringify({ pid, host: hostname() }));
    await (
      await lockFolder(run)
    )();
  });
});
