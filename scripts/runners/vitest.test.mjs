import { expect, test } from 'vitest';
import { expected, use } from './use.mjs';

test('the packages do in vitest what they do elsewhere', async () => {
  expect(await use()).toStrictEqual(expected);
});
