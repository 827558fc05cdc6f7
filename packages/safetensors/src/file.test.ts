import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openSafetensors } from './file';
import { readSafetensors, writeSafetensors } from './index';

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'safetensors-'))));
afterAll(() => rmSync(folder, { recursive: true }));

const place = (name: string, bytes: Uint8Array) => {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
};

/** Two tensors of half precision, 1 and −2, and 0.5, behind one of float32. */
function halves(): Uint8Array {
  const bytes = writeSafetensors(
    new Map([
      ['a', { shape: [1], data: Float32Array.of(3) }],
      ['b', { shape: [2], data: Uint16Array.of(0x3c00, 0xc000) }],
      ['c', { shape: [], data: Uint16Array.of(0x3800) }],
    ]),
    { format: 'pt' },
  );
  return Uint8Array.from(Buffer.from(Buffer.from(bytes).toString('latin1').replaceAll('"U16"', '"F16"'), 'latin1'));
}

test('tensors are read one at a time, as a whole file is', () => {
  const path = place('halves', halves());
  const file = openSafetensors(path);
  const { tensors, metadata } = readSafetensors(halves());
  expect(file.metadata).toEqual(metadata);
  expect([...file.tensors].map(([name, { dtype, shape }]) => [name, dtype, shape])).toEqual(
    [...tensors].map(([name, { dtype, shape }]) => [name, dtype, shape]),
  );
  for (const [name, { data }] of tensors) expect(file.tensors.get(name)!.read()).toEqual(data);
  expect(file.tensors.get('b')!.read()).toEqual(Float32Array.of(1, -2));
  appendFileSync(path, 'x');
  expect(() => file.tensors.get('b')!.read()).toThrow(`safetensors: ${path} has changed since it was opened`);
});

test.each<[string, Uint8Array, string]>([
  ['empty', new Uint8Array(), 'the file is empty'],
  ['short', Uint8Array.of(1, 0, 0), 'the file has 3 bytes, fewer than the 8'],
  ['cut off in its data', halves().slice(0, -1), 'the file is cut off'],
  ['cut off in its header', halves().slice(0, 40), 'the file is cut off'],
  ['a pointer', new TextEncoder().encode('version https://git-lfs.github.com/spec/v1\noid'), 'Git LFS pointer'],
])('a file that is %s says so, as when it is read whole', (name, bytes, message) => {
  expect(() => openSafetensors(place(name, bytes))).toThrow(message);
  expect(() => readSafetensors(bytes)).toThrow(message);
});
