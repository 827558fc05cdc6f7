import { expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

test('writes nothing to the home folder, where ONNX Runtime would keep an identifier', () => {
  const home = mkdtempSync(join(tmpdir(), 'ddpm-home-'));
  const { ORT_DISABLE_TELEMETRY: _, ...env } = process.env;
  const code = `
    import { compile } from './dist/index.js';
    import * as tf from '@tensorflow/tfjs';
    const compiled = await compile((x) => tf.square(x), [tf.ones([2])]);
    console.log((await compiled(tf.tensor1d([3, 4]))).dataSync().join());
  `;
  try {
    const options = { encoding: 'utf8' as const, env: { ...env, HOME: home, USERPROFILE: home, XDG_CACHE_HOME: home, LOCALAPPDATA: home } };
    expect(execFileSync(process.execPath, ['--input-type=module', '-e', code], options)).toMatch(/^9,16$/m);
    expect(readdirSync(home)).toEqual([]);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});
