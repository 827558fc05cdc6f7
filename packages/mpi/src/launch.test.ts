import { expect, test } from '@jest/globals';
import { launched } from './launch';

test.each([
  [{}, undefined],
  [{ OMPI_COMM_WORLD_SIZE: '1', OMPI_COMM_WORLD_RANK: '0', OMPI_COMM_WORLD_LOCAL_SIZE: '1' }, undefined],
  [
    { OMPI_COMM_WORLD_SIZE: '4', OMPI_COMM_WORLD_RANK: '3', OMPI_COMM_WORLD_LOCAL_SIZE: '2' },
    { kind: 'Open MPI', rank: 3, size: 4, here: 2 },
  ],
  [
    { PMI_SIZE: '2', PMI_RANK: '1', MPI_LOCALNRANKS: '2' },
    { kind: 'MPICH', rank: 1, size: 2, here: 2 },
  ],
])('%j says %j', (env, expected) => {
  expect(launched(env)).toEqual(expected);
});
