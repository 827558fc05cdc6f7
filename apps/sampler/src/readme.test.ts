import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { sampleCommand } from './options';

test('the README tells of every option', () => {
  const readme = readFileSync('README.md', 'utf8');
  const names = sampleCommand().options.map(({ long }) => long!);
  expect(names.filter((name) => !readme.includes(`\`${name}\``))).toEqual([]);
});
