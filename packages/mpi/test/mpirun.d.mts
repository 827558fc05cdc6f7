import type { SpawnSyncOptions, SpawnSyncReturns } from 'node:child_process';

export const installed: 'Open MPI' | 'MPICH' | undefined;
export const environment: NodeJS.ProcessEnv;
export function processes(count: number): string[];
export function mpirun(count: number, args: readonly string[], options?: SpawnSyncOptions): SpawnSyncReturns<string>;
