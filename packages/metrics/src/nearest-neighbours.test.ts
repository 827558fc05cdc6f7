import { Random } from '@ddpm/random';
import { describe, expect, test } from '@jest/globals';
import type { Features } from './index';
import { nearestNeighbours, precisionRecall } from './index';

const width = 20;
/** On a coarse lattice, so that there are ties and distances of 0. */
const lattice = (seed: number, n: number, shift = 0): Features => ({
  data: new Random(seed).normals(n * width).map((value) => Math.round(value) + shift),
  width,
});
const rowsOf = ({ data }: Features) =>
  Array.from({ length: data.length / width }, (_, i) => Array.from(data.subarray(i * width, (i + 1) * width)));
const distance = (a: number[], b: number[]) =>
  Math.sqrt(a.reduce((sum, value, k) => sum + (value - b[k]) * (value - b[k]), 0));
/** Every distance, in order. */
function reference(a: Features, b: Features, withoutSelf: boolean) {
  return rowsOf(a).map((row, i) =>
    rowsOf(b)
      .map((other, j) => ({ j, d: distance(row, other) }))
      .filter(({ j }) => !withoutSelf || j !== i)
      .sort((x, y) => x.d - y.d || x.j - y.j),
  );
}

describe('nearest neighbours', () => {
  test.each([
    [1, false],
    [3, false],
    [3, true],
  ])('%i of them, without self: %s, are those of a whole sort', (k, withoutSelf) => {
    // More than a block.
    const [a, b] = [lattice(1, 12), lattice(2, 600)];
    const queries = withoutSelf ? b : a;
    const { indices, distances } = nearestNeighbours(queries, b, { k, withoutSelf });
    const expected = reference(queries, b, withoutSelf).flatMap((all) => all.slice(0, k));
    expect([...indices]).toEqual(expected.map(({ j }) => j));
    expect([...distances]).toEqual(expected.map(({ d }) => d));
  });
  test('of a copy are at a distance of 0', () => {
    const a = { data: new Random(3).normals(40), width: 8 };
    expect([...nearestNeighbours(a, a).distances]).toEqual([0, 0, 0, 0, 0]);
    expect([...nearestNeighbours(a, a).indices]).toEqual([0, 1, 2, 3, 4]);
  });
  test('name what is wrong', () => {
    const a = lattice(1, 3);
    expect(() => nearestNeighbours(a, a, { k: 3, withoutSelf: true })).toThrow(
      'nearestNeighbours: needs the features of at least 4 images, got those of 3',
    );
    expect(() => nearestNeighbours(a, a, { k: 0 })).toThrow('k must be a whole number of at least 1, got 0');
    expect(() => nearestNeighbours(a, { data: new Float32Array(2), width: 2 })).toThrow('of one width, got 20 and 2');
  });
});

describe('precision and recall', () => {
  test('are those of every distance to every ball', () => {
    const [real, generated] = [lattice(4, 60), lattice(5, 45, 0.2)];
    const share = (rows: Features, others: Features) => {
      const radii = reference(others, others, true).map((all) => all[2].d);
      const inside = rowsOf(rows).filter((row) => rowsOf(others).some((other, j) => distance(row, other) <= radii[j]));
      return inside.length / rowsOf(rows).length;
    };
    const found = precisionRecall({ real, generated });
    expect(found).toEqual({ precision: share(generated, real), recall: share(real, generated) });
    for (const value of Object.values(found)) expect([0, 1]).not.toContain(value);
  });
  test('of the same images are 1; of a few of them, precision alone is; of others, both are 0', () => {
    const real = { data: new Random(6).normals(200 * 2), width: 2 };
    expect(precisionRecall({ real, generated: real })).toEqual({ precision: 1, recall: 1 });
    // Those on one side: half of the variety.
    const data = Float32Array.from(
      Array.from({ length: 200 }, (_, i) => Array.from(real.data.subarray(2 * i, 2 * i + 2)))
        .filter(([x]) => x > 0)
        .flat(),
    );
    const few = precisionRecall({ real, generated: { data, width: 2 } });
    expect(few.precision).toBe(1);
    expect(few.recall).toBeGreaterThan(0.4);
    expect(few.recall).toBeLessThan(0.7);
    const far = { data: real.data.map((value) => value + 50), width: 2 };
    expect(precisionRecall({ real, generated: far })).toEqual({ precision: 0, recall: 0 });
  });
  test('name what is wrong', () => {
    expect(() => precisionRecall({ real: lattice(1, 3), generated: lattice(2, 9) })).toThrow(
      'precisionRecall: needs the features of at least 4 images, got those of 3',
    );
  });
});
