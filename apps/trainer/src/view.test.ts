import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { RunView } from './view';
import { viewRun } from './view';

let folder: string;
let view: RunView;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ddpm-view-'));
  const [page, run] = ['page', 'run'].map((name) => join(folder, name));
  mkdirSync(page);
  mkdirSync(join(run, 'previews'), { recursive: true });
  writeFileSync(join(page, 'index.html'), 'the page');
  writeFileSync(join(folder, 'secret.txt'), 'nobody else is to read this');
  writeFileSync(join(run, 'metrics.jsonl'), '{"step":0}\n{"step":1}\n{"st');
  writeFileSync(join(run, 'previews', 'step-000002.png'), 'a picture');
  writeFileSync(join(run, 'previews', 'notes.txt'), 'no picture');
  view = await viewRun(run, { page, steps: 5 });
});
afterAll(() => rmSync(folder, { recursive: true }));

/** As no browser would ask: the path as it is, and any name for this machine. */
const ask = (path: string, host?: string) =>
  new Promise<{ status?: number; body: string }>((resolve, reject) => {
    const { port } = new URL(view.url);
    const options = { agent: false, host: '127.0.0.1', port, path, ...(host !== undefined && { headers: { host } }) };
    get(options, (response) => {
      let body = '';
      response.on('data', (part: Buffer) => (body += String(part)));
      response.on('end', () => resolve({ status: response.statusCode, body }));
    }).on('error', reject);
  });

test('a run is shown with its page, whole lines of its metrics from any byte on, and its previews', async () => {
  expect(await ask('/')).toEqual({ status: 200, body: 'the page' });
  expect(JSON.parse((await ask('/run/about')).body)).toEqual({ name: 'run', steps: 5, previews: ['step-000002.png'] });
  expect((await ask('/run/metrics.jsonl')).body).toBe('{"step":0}\n{"step":1}\n');
  expect((await ask('/run/metrics.jsonl?from=11')).body).toBe('{"step":1}\n');
  expect((await ask('/run/metrics.jsonl?from=22')).body).toBe('');
  expect((await ask('/run/previews/step-000002.png')).body).toBe('a picture');
});

test('nothing else of this machine is, nor under another name, nor when the run has ended', async () => {
  for (const path of [
    '/../secret.txt',
    '/%2e%2e/secret.txt',
    '/..%2fsecret.txt',
    '/run/previews/notes.txt',
    '/run/../secret.txt',
    '/run/',
  ])
    expect((await ask(path)).status).toBe(404);
  expect((await ask('/%')).status).toBe(400);
  expect((await ask('/', 'example.org')).status).toBe(403);
  await view.close();
  await expect(ask('/')).rejects.toThrow('ECONNREFUSED');
});
