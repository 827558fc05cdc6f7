import { expect, test } from '@jest/globals';
import { fromText, shape, shapeNames, toText } from './shapes';

test('numbers as text come back within half a sixty-third, and text that is none as nothing', () => {
  const values = Float32Array.from({ length: 50 }, (_, i) => Math.sin(i));
  const back = fromText(toText(values));
  expect(Math.max(...values.map((v, i) => Math.abs(v - back[i])))).toBeLessThanOrEqual(1 / 63 + 1e-6);
  expect(fromText('a b<')).toHaveLength(0);
});

test.each(shapeNames)('%s lies within the square, and is the same each time', (name) => {
  const points = shape(name, 200);
  expect(Math.max(...points.map(Math.abs))).toBeLessThan(1.05);
  expect(shape(name, 200)).toEqual(points);
});
