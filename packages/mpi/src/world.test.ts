import { resolve } from 'node:path';
import { expect, test } from '@jest/globals';
import { installed, mpirun } from '../test/mpirun.mjs';

const where = installed ? `by ${installed}` : '(skipped: there is no mpirun on PATH)';

(installed ? test : test.skip)(`three processes compute together ${where}`, () => {
  const { stdout, stderr, status } = mpirun(3, [resolve('test/world.mjs')]);
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
  const { total, gathered, ...others } = JSON.parse(stdout) as Record<string, number[]>;
  expect(total).toEqual([1, 2, 3, 4, 5, 6, 7].map((i) => i * 1111));
  expect(gathered).toEqual([...Float32Array.of(1, 2, 2.1)]);
  expect(others).toEqual({
    size: 3,
    message: 'the processes do not belong together: data is 0 for process 0, 1 for process 1',
    first: { rank: 0 },
    bytes: [0, 1, 2],
  });
});
