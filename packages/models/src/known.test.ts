import { expect, test } from '@jest/globals';
import { knownCondition } from './known';

const model = { image: [1, 2, 2] as const };

test('the picture with zeros where it is to be drawn, be it a little, and where that is, for each image', () => {
  const given = { image: Float32Array.of(1, 2, 3, 4), mask: Float32Array.of(0, 0.25) };
  expect(knownCondition(model, 2, given)).toEqual({
    known: { data: Float32Array.of(1, 2, 0, 0, 1, 2, 0, 0), item: [1, 2, 2] },
    mask: { data: Float32Array.of(0, 1, 0, 1), item: [1, 2, 1] },
  });
  expect(knownCondition(model, 1)).toEqual({
    known: { data: new Float32Array(4), item: [1, 2, 2] },
    mask: { data: Float32Array.of(1, 1), item: [1, 2, 1] },
  });
  expect(() => knownCondition(model, 1, { ...given, mask: new Float32Array(3) })).toThrow(
    'knownCondition: expected a picture of 1×2×2 and a mask of 1×2, got 4 and 3 values',
  );
});
