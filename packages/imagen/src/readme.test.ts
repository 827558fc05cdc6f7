import { expect, test } from '@jest/globals';
import { missingFromReadme, runReadmeExample } from '../../../scripts/readme-example.mjs';

test('the example of the README runs and prints what it says', () => {
  const { printed, promised } = runReadmeExample('.');
  expect(printed).toEqual(promised);
});

test('the README has a row for each export', () => {
  expect(missingFromReadme('.')).toEqual([]);
});
