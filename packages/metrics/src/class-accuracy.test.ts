import { expect, test } from '@jest/globals';
import { classAccuracy } from './index';

test('class accuracy is the share of labels whose logit is the largest', () => {
  expect(classAccuracy([0, 1, 2, 5, -1, 0, 1, 1, 0, 0, 0, 9], [2, 0, 1, 2])).toBe(0.75);
});
test('class accuracy names what is wrong', () => {
  expect(() => classAccuracy([1, 2, 3], [0, 0])).toThrow(
    'classAccuracy: 3 logits are not a whole number for each of 2 labels',
  );
  expect(() => classAccuracy([1, 2], [2])).toThrow('classAccuracy: label 0 is 2, but there are 2 classes');
});
