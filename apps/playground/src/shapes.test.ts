import { expect, test } from '@jest/globals';
import { bitsFromText, bitsToText, fromText, shape, shapeNames, toText } from './shapes';

test('numbers as text come back within half a sixty-third, and text that is none as nothing', () => {
  const values = Float32Array.from({ length: 50 }, (_, i) => Math.sin(i));
  const back = fromText(toText(values));
  expect(Math.max(...values.map((v, i) => Math.abs(v - back[i])))).toBeLessThanOrEqual(1 / 63 + 1e-6);
  expect(fromText('a b<')).toHaveLength(0);
});

test('marks as text come back, and of a text that is too short the rest is not marked', () => {
  const marks = Array.from({ length: 256 }, (_, i) => Math.sin(i * i) > 0.2);
  expect(bitsToText(marks)).toHaveLength(43);
  expect(bitsFromText(bitsToText(marks), 256)).toEqual(marks);
  expect(bitsFromText('_', 8)).toEqual([true, true, true, true, true, true, false, false]);
});

test.each(shapeNames)('%s lies within the square, and is the same each time', (name) => {
  const points = shape(name, 200);
  expect(Math.max(...points.map(Math.abs))).toBeLessThan(1.05);
  expect(shape(name, 200)).toEqual(points);
});
