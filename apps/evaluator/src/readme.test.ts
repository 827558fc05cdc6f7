import { readFileSync } from 'node:fs';
import { missingRows } from '@ddpm/app-common';
import { expect, test } from '@jest/globals';
import { table } from './options';

test('the README has the row of every option, as --help says it', () => {
  expect(missingRows(readFileSync('README.md', 'utf8'), table)).toEqual([]);
});
