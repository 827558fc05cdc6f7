import { expect, test } from '@jest/globals';
import { nodesOf, shareOf, sumOf } from './tree';

const leaves = 13;
const vectors = Array.from({ length: leaves }, (_, i) =>
  Float32Array.from({ length: 20 }, (_, k) => Math.sin(3 * i + k + 1) * 2 ** (i % 7)),
);
const sum = (a: Float32Array, b: Float32Array) => a.map((value, i) => value + b[i]);
const sumOfNode = (from: number, to: number): Float32Array => {
  if (to - from === 1) return vectors[from];
  const middle = (from + to) >> 1;
  return sum(sumOfNode(from, middle), sumOfNode(middle, to));
};

test.each([1, 2, 3, 4, 5, 13, 20])('the sum is the same to the bit where %d share the leaves', (size) => {
  const ranges = Array.from({ length: size }, (_, rank) => shareOf(leaves, { rank, size }));
  expect(ranges.map(({ from }) => from)).toEqual([0, ...ranges.slice(0, -1).map(({ to }) => to)]);
  expect(Math.max(...ranges.map(({ from, to }) => to - from))).toBe(Math.ceil(leaves / size));
  const nodes = ranges.flatMap((range) => nodesOf(leaves, range));
  const sums = nodes.map(({ from, to }) => ({ from, to, sum: sumOfNode(from, to).slice() }));
  expect(sumOf(leaves, sums)).toEqual(sumOfNode(0, leaves));
  // Of these values, the order matters.
  expect(vectors.reduce(sum)).not.toEqual(sumOfNode(0, leaves));
});
