import { expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Graph } from './graph';
import { gather, mul } from './ops';
import { portable } from './self-test';
import { modelInto, newTensor, openSession, ortTensor, runInto } from './session';

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

test('writes results where they are wanted, over what they are made of if that is the same, and says what goes wrong', async () => {
  const graph = new Graph(portable);
  const [x, at] = [graph.input('x', [3], 'float32'), graph.input('at', [1], 'int32')];
  const inputs = [x, at].map((value) => ({ name: value.node.name!, value }));
  const model = modelInto(inputs, [
    { name: 'doubled', value: mul(x, 2) },
    { name: 'one', value: gather(x, at, 0) },
  ]);
  const session = await openSession(model, { threads: 1, optimization: 'disabled' });
  const given = ortTensor(Float32Array.of(1, 2, 3), [3], 'float32');
  const one = newTensor([1], 'float32');
  const index = (i: number) => ortTensor(Int32Array.of(i), [1], 'int32');
  await runInto(session, { x: given, at: index(2) }, { doubled: given, one });
  expect([...(given.data as Float32Array)]).toEqual([2, 4, 6]);
  expect([3, 6]).toContain((one.data as Float32Array)[0]);
  await expect(runInto(session, { x: given, at: index(7) }, { doubled: newTensor([3], 'float32'), one })).rejects.toThrow('indices');
  await session.release();
});

test('makes no copies of results', async () => {
  const graph = new Graph(portable);
  const size = 2 ** 20;
  const x = graph.input('x', [size], 'float32');
  const session = await openSession(modelInto([{ name: 'x', value: x }], [{ name: 'y', value: mul(x, 2) }]), {
    threads: 1,
    optimization: 'disabled',
  });
  const [from, to] = [newTensor([size], 'float32'), newTensor([size], 'float32')];
  await runInto(session, { x: from }, { y: to });
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 3; i++) await runInto(session, { x: from }, { y: to });
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * size);
  await session.release();
});
