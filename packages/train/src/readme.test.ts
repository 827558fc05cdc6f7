import { expect, test } from '@jest/globals';
import { missingFromReadme } from '../../../scripts/readme-example.mjs';

// Its example, which needs packages that are built on this one, runs in the tests of @ddpm/execution.
test('the README has a row for each export', () => {
  expect(missingFromReadme('.')).toEqual([]);
});
