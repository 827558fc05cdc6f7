import { afterAll, beforeEach, expect, test } from '@jest/globals';
import { encodePng } from '@ddpm/images/png';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openFolder } from './folder';

const root = mkdtempSync(join(tmpdir(), 'folder-captions-'));
let folder: string;
let count = 0;
beforeEach(() => mkdirSync((folder = join(root, String(count++)))));
afterAll(() => rmSync(root, { recursive: true }));

function write(name: string, content?: string) {
  const path = join(folder, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, content ?? encodePng({ width: 2, height: 2, channels: 1, data: new Uint8Array(4) }));
}
async function captionsOf(onSkipped?: (line: string) => void) {
  const dataset = await openFolder(folder, { onSkipped });
  return Array.from({ length: dataset.size }, (_, i) => dataset.captions?.(i));
}

test('a .txt beside a picture has its captions, one a line; a picture without one has the empty caption', async () => {
  for (const name of ['a.png', 'b.png', 'c.png', 'd.png']) write(name);
  write('a.txt', 'a red hat\r\n\n  a hat, red \n');
  write('b.TXT', 'ein grüner Hut');
  write('d.txt', '\n');
  write('notes.txt', 'about all of them');
  const lines: string[] = [];
  expect(await captionsOf((line) => lines.push(line))).toEqual([
    ['a red hat', 'a hat, red'],
    ['ein grüner Hut'],
    [''],
    [''],
  ]);
  expect(lines).toEqual(['Skipped 1 file: 1 .txt (notes.txt)']);
});

test('metadata.jsonl names pictures relative to its folder, also in folders of classes', async () => {
  for (const name of ['cat/a.png', 'cat/b.png', 'dog/a.png']) write(name);
  write('metadata.jsonl', '{"file_name": "cat/b.png", "text": "a black cat"}\n\n{"file_name": "cat/a.png"}\n');
  write('dog/metadata.jsonl', '{"file_name": "a.png", "text": " a dog "}');
  expect(await captionsOf(() => expect(false).toBe(true))).toEqual([[''], ['a black cat'], ['a dog']]);
});

test('without captions there are none', async () => {
  write('a.png');
  write('b.txt', 'no picture has this name');
  expect(await captionsOf(() => {})).toEqual([undefined]);
});

test('names the line that is wrong', async () => {
  write('a.png');
  const wrong = async (line: string, message: string) => {
    write('metadata.jsonl', `\n${line}`);
    await expect(openFolder(folder)).rejects.toThrow(`metadata.jsonl:2: ${message}`);
  };
  await wrong('{"file_name": "b.png", "text": "x"}', '"b.png" is not a picture in this folder');
  await wrong('{"file_name": "b\\n.png", "text": "x"}', '"b\\n.png" is not a picture in this folder');
  await wrong(
    `{"file_name": "a.png", "text": ${'['.repeat(9999)}${']'.repeat(9999)}}`,
    'text must be a string, got a list',
  );
  await wrong(`{"file_name": "${'b'.repeat(999)}", "text": ""}`, `"${'b'.repeat(78)}… is not a picture in this folder`);
  await wrong('{"file_name": "a\r.png"}', 'Bad control character in string literal in JSON');
  await wrong('{"file_name": "a.png", "text": 3}', 'text must be a string, got 3');
  await wrong('{"text": "x"}', 'expected an object with file_name, a string');
  await wrong('null', 'expected an object with file_name, a string');
  await wrong('{"file_name": ', 'Unexpected end of JSON input');
  write('a.txt', 'one');
  write('metadata.jsonl', '{"file_name": "a.png", "text": "two"}');
  await expect(openFolder(folder)).rejects.toThrow(/a\.txt: .*a\.png has a caption in .*metadata\.jsonl:1 already$/);
});
