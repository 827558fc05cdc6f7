import { expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Value } from '../graph';
import { Graph, sizeOf } from '../graph';
import { gather, mul } from '../ops';
import { portable } from '../self-test';
import { modelInto } from '../plan/program';
import { openSession, runInto } from './ort';
import { newTensor, ortTensor } from './session';

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
    const options = {
      encoding: 'utf8' as const,
      env: { ...env, HOME: home, USERPROFILE: home, XDG_CACHE_HOME: home, LOCALAPPDATA: home },
    };
    expect(execFileSync(process.execPath, ['--input-type=module', '-e', code], options)).toMatch(/^9,16$/m);
    expect(readdirSync(home)).toEqual([]);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});

const open = (inputs: Value[], y: Value) =>
  openSession(
    modelInto(
      inputs.map((value) => ({ name: value.node.name!, value })),
      [{ name: 'y', value: y }],
    ),
    { threads: 1, optimization: 'disabled' },
  );

test('writes results where they are wanted, even over what they are made of', async () => {
  const x = new Graph(portable).input('x', [3], 'float32');
  const session = await open([x], mul(x, 2));
  const tensor = ortTensor(Float32Array.of(1, 2, 3), [3], 'float32');
  await runInto(session, { x: tensor }, { y: tensor });
  expect([...(tensor.data as Float32Array)]).toEqual([2, 4, 6]);
  await session.release();
});

test('says what goes wrong in a graph', async () => {
  const graph = new Graph(portable);
  const [x, at] = [graph.input('x', [3], 'float32'), graph.input('at', [1], 'int32')];
  const session = await open([x, at], gather(x, at, 0));
  const run = (i: number, y = newTensor([1], 'float32')) =>
    runInto(session, { x: newTensor([3], 'float32'), at: ortTensor(Int32Array.of(i), [1], 'int32') }, { y });
  await run(2);
  await expect(run(7)).rejects.toThrow('indices');
  await session.release();
});

test('makes no copies of results', async () => {
  const size = 2 ** 20;
  const x = new Graph(portable).input('x', [size], 'float32');
  const session = await open([x], mul(x, 2));
  const [from, to] = [newTensor([size], 'float32'), newTensor([size], 'float32')];
  await runInto(session, { x: from }, { y: to });
  const before = process.memoryUsage().arrayBuffers;
  await runInto(session, { x: from }, { y: to });
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * size);
  await session.release();
});

test('a packed input is divided in steps where nodes may have few results', async () => {
  const graph = new Graph({ ...portable, results: 3 });
  const shapes = [[2], [2, 2], [1], [3], [1, 2], [4], [2], [1]];
  const parts = shapes.map((shape, i) => graph.input(`part${i}`, shape, 'float32'));
  const size = parts.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const packed = graph.input('packed', [size], 'float32');
  const outputs = parts.map((part, i) => ({ name: `y${i}`, value: mul(part, 1 + i) }));
  const model = modelInto([{ name: 'packed', value: packed, parts }], outputs);
  const session = await openSession(model, { threads: 1, optimization: 'disabled' });
  const fetches = Object.fromEntries(outputs.map(({ name, value }) => [name, newTensor(value.shape, 'float32')]));
  const data = Float32Array.from({ length: size }, (_, i) => i);
  await runInto(session, { packed: ortTensor(data, [size], 'float32') }, fetches);
  let at = 0;
  for (const [i, { shape }] of parts.entries()) {
    const expected = [...data.subarray(at, (at += sizeOf(shape)))].map((value) => value * (1 + i));
    expect([...(fetches[`y${i}`].data as Float32Array)]).toEqual(expected);
  }
  const text = Buffer.from(model).toString('latin1');
  // One for the whole, and one for each of its three parts.
  expect(text.match(/Split/g)).toHaveLength(4);
  await session.release();
});
