import { expect, test } from '@jest/globals';
import { expected, use } from './use.mjs';

test('the packages do in jest what they do elsewhere', async () => {
  expect(await use()).toStrictEqual(expected);
});
