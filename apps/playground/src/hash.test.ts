import { expect, test } from '@jest/globals';
import { formatHash, numberIn, parseHash } from './hash';

test('a link says the view and its settings, and is read back', () => {
  const place = { view: 'denoise', settings: { sampler: 'dpm++2m', seed: '3', url: 'a b&c.safetensors' } };
  expect(formatHash(place)).toBe('#denoise?sampler=dpm%2B%2B2m&seed=3&url=a+b%26c.safetensors');
  expect(parseHash(formatHash(place))).toEqual(place);
  expect(parseHash('')).toEqual({ view: '', settings: {} });
});

test('a number of a link is kept within its limits', () => {
  expect(['7', '-1', '1e9', 'NaN', '', undefined].map((text) => numberIn(text, [0, 10], 5))).toEqual([
    7, 0, 10, 5, 5, 5,
  ]);
});
