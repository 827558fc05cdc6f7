import { readFileSync } from 'node:fs';
import { missingRows } from '@ddpm/app-common';
import { expect, test } from '@jest/globals';
import { invocationTable, table } from './table';

test('the README has the row of every option, as --help says it', () => {
  const readme = readFileSync('README.md', 'utf8');
  expect([...missingRows(readme, invocationTable), ...missingRows(readme, table)]).toEqual([]);
});
