import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { expect, test } from '@jest/globals';
import { environment, installed, mpirun } from '../test/mpirun.mjs';

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

(installed === 'Open MPI' ? test : test.skip)(
  `a launcher that is not of the library's installation is named ${where}`,
  () => {
    const alone = (env: Record<string, string>) =>
      spawnSync(process.execPath, [resolve('test/world.mjs')], { encoding: 'utf8', env: { ...environment, ...env } });
    // As started by another Open MPI than the library that is found, which then knows of one process.
    const other = alone({ OMPI_COMM_WORLD_SIZE: '2', OMPI_COMM_WORLD_RANK: '0', OMPI_COMM_WORLD_LOCAL_SIZE: '2' });
    expect(other.stderr).toMatch(
      /MPI: the launcher has started 2 processes, but its library \(Open MPI v[\d.]+\) knows of 1: they are not of one installation/,
    );
    const mpich = alone({ PMI_SIZE: '2', PMI_RANK: '0', LIBRARY: 'libmpi.so.40' });
    expect(mpich.stderr).toMatch(
      /MPI: this was started by MPICH, but libmpi\.so\.40 is of Open MPI \(Open MPI v[\d.]+/,
    );
    expect([other.status, mpich.status]).toEqual([1, 1]);
  },
);
