import { spawnSync } from 'node:child_process';

const found = spawnSync('mpirun', ['--version'], { encoding: 'utf8' });
const flags = {
  'Open MPI': ['--oversubscribe', '--bind-to', 'none'],
  MPICH: [],
};

/** The kind of MPI whose launcher is on PATH; undefined where there is none that is known here. */
export const installed =
  found.status !== 0
    ? undefined
    : /Open MPI|OpenRTE/.test(found.stdout)
      ? 'Open MPI'
      : /HYDRA/.test(found.stdout)
        ? 'MPICH'
        : undefined;

/** The arguments of `mpirun` that start so many processes, all on this machine. */
export const processes = (count) => [...flags[installed], '-np', String(count)];

/** The environment in which it does so for whoever runs the tests. */
export const environment = { ...process.env, OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' };

/** Starts so many processes of a Node program, and waits for them. */
export const mpirun = (count, args, options = {}) =>
  spawnSync('mpirun', [...processes(count), process.execPath, ...args], {
    encoding: 'utf8',
    timeout: 100_000,
    ...options,
    env: { ...environment, ...options.env },
  });
