import { availableParallelism, cpus } from 'node:os';

/** Facts that a launcher of MPI, such as mpirun, has told this process. */
export interface Launch {
  /** The launcher's kind of MPI. */
  readonly kind: 'Open MPI' | 'MPICH';
  /** Which of the processes this is, from 0. */
  readonly rank: number;
  /** How many there are. */
  readonly size: number;
  /** How many of them are on this machine. */
  readonly here: number;
}

/** The launch that this process is part of; undefined where there is none, or it has started only one. */
export function launched(env: Readonly<Record<string, string | undefined>> = process.env): Launch | undefined {
  const openMpi = env.OMPI_COMM_WORLD_SIZE !== undefined;
  const [size, rank, here] = openMpi
    ? [env.OMPI_COMM_WORLD_SIZE, env.OMPI_COMM_WORLD_RANK, env.OMPI_COMM_WORLD_LOCAL_SIZE]
    : [env.PMI_SIZE, env.PMI_RANK, env.MPI_LOCALNRANKS];
  if (!(Number(size) > 1)) return undefined;
  return { kind: openMpi ? 'Open MPI' : 'MPICH', rank: Number(rank), size: Number(size), here: Number(here ?? 1) };
}

/** How many threads a process may use, so that those on one machine share its processors. */
export function threadsFor({ here }: Launch): number {
  const allowed = availableParallelism();
  // A launcher that binds processes to processors has shared them out already.
  return allowed < cpus().length ? allowed : Math.max(1, Math.floor(allowed / here));
}
