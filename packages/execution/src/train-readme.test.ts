import { existsSync, rmSync } from 'node:fs';
import { afterAll, expect, test } from '@jest/globals';
import { runReadmeExample } from '../../../scripts/readme-example.mjs';

afterAll(() => rmSync('classifier.safetensors', { force: true }));

test('the example of @ddpm/train trains a classifier compiled, saves it, and goes on to the bit', () => {
  const { printed, promised } = runReadmeExample('../train', '.');
  expect(promised).toHaveLength(2);
  expect(printed).toEqual(promised);
  expect(existsSync('classifier.safetensors')).toBe(true);
});
