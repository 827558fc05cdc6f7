import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Dataset } from '@ddpm/datasets';
import type { Execution, ExecutionName } from '@ddpm/execution';
import { prepareExecution } from '@ddpm/execution';
import type { World } from '@ddpm/mpi';
import { Interrupted } from './errors';

/* Several processes that a launcher of MPI has started compute together, each doing all that the command says with its
   share of every batch; the first of them alone writes and speaks. */

const { OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE, PMI_RANK, PMI_SIZE } = process.env;
/** How many processes there are; 1 without a launcher. */
export const processes = Math.max(1, Number(OMPI_COMM_WORLD_SIZE ?? PMI_SIZE ?? 1));
/** Which of them this is. */
export const rank = processes > 1 ? Number(OMPI_COMM_WORLD_RANK ?? PMI_RANK) : 0;
/** Whether this process writes and speaks. */
export const isFirst = rank === 0;

let world: World | undefined;
let alone: Execution | undefined;

/** Facts that must be the same for all processes, by name. */
type Facts = Readonly<Record<string, unknown>>;

/**
 * Prepares an execution, of all processes together where there are several.
 * @param facts what must be the same everywhere; asked for only where there are several
 * @param options.interruptible whether Ctrl-C ends what is waited for at once with Interrupted, for the caller to keep
 * what is done
 * @throws Error in one line if they do not belong together
 */
export async function openExecution(
  name: ExecutionName,
  facts: () => Facts | Promise<Facts>,
  { interruptible = false } = {},
): Promise<Execution> {
  if (processes === 1) return prepareExecution(name);
  const { acrossProcesses, joinWorld, launched, threadsFor } = await import('@ddpm/mpi').catch((error: Error) => {
    throw new Error(
      `mpirun has started ${processes} processes, which takes @ddpm/mpi, and that does not load here (${error.message.split('\n', 1)[0]}): npm install @ddpm/mpi`,
    );
  });
  const launch = launched()!;
  const { DDPM_MPI_LIBRARY: library, DDPM_MPI_TIMEOUT: timeout } = process.env;
  if (timeout !== undefined && !(Number(timeout) > 0))
    throw new Error(`DDPM_MPI_TIMEOUT must be a number of seconds above 0, got ${timeout}`);
  world = await joinWorld({
    launch,
    library,
    ...(timeout !== undefined && { timeout: Number(timeout) }),
    ...(interruptible && { signal: interruption() }),
  });
  const given: Facts = { ...(await programFacts()), ...(await facts()) };
  await world.same(Object.fromEntries(Object.entries(given).map(([fact, value]) => [fact, asText(value)])));
  alone = await prepareExecution(name, { workers: threadsFor(launch) });
  return acrossProcesses(alone, world);
}

const asText = (value: unknown) => (typeof value === 'string' ? value : (JSON.stringify(value) ?? 'not given'));

/** The program itself, and what runs it. */
async function programFacts(): Promise<Facts> {
  return { 'the program': await fileHash(process.argv[1]), Node: process.version };
}

/** This process's own execution, for what is not to be shared: what is kept on one machine, and not on another. */
export const undivided = (execution: Execution): Execution => alone ?? execution;

/** Makes sure that what is named is the same for all processes. */
export async function agree(facts: () => Facts): Promise<void> {
  await world?.same(Object.fromEntries(Object.entries(facts()).map(([fact, value]) => [fact, asText(value)])));
}

/** The first process's value, where processes would differ. */
export const firstOf = async <T>(value: T): Promise<T> => (world ? world.first(value) : value);

/** Waits for the others and leaves, once all is done. */
export async function leave(): Promise<void> {
  await world?.close();
}

/** Ctrl-C, as something that ends waiting. The first process decides what becomes of it; the others end with it. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  const onSignal = () => {
    if (isFirst) controller.abort(new Interrupted('stopped'));
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return controller.signal;
}

/** The end of a wait from outside, if an error is that: a request, or others that are silent. */
export function stopOf(error: unknown): Interrupted | undefined {
  if (error instanceof Interrupted) return error;
  return error instanceof Error && error.name === 'SilentError'
    ? new Interrupted(`${error.message}; stopped`, 1)
    : undefined;
}

/** The beginning of a file's SHA-256. */
export async function fileHash(path: string): Promise<string> {
  return short(createHash('sha256').update(await readFile(path)));
}

/** The beginning of the SHA-256 of arrays by name. */
export function arraysHash(arrays: Iterable<readonly [name: string, data: ArrayBufferView]>): string {
  const hash = createHash('sha256');
  for (const [name, data] of arrays)
    hash.update(name).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return short(hash);
}

/** The beginning of the SHA-256 of a network's weights. */
export const weightsHash = (weights: ReadonlyMap<string, { readonly dataSync: () => ArrayBufferView }>): string =>
  arraysHash([...weights].map(([name, value]) => [name, value.dataSync()]));

/** Bytes of images that are enough to tell datasets apart. */
const ENOUGH = 2 ** 26;

/** The beginning of the SHA-256 of a dataset: of all its images where they are 64 MiB at most, otherwise of as many. */
export async function datasetHash(dataset: Dataset): Promise<string> {
  const { size, shape, classNames = null } = dataset;
  const count = Math.min(size, Math.ceil(ENOUGH / (shape[0] * shape[1] * shape[2])));
  const hash = createHash('sha256').update(JSON.stringify([size, shape, classNames]));
  for (let k = 0; k < count; k++) {
    const i = Math.floor((k * size) / count);
    hash.update(await dataset.image(i)).update(JSON.stringify([dataset.label?.(i), dataset.captions?.(i)]));
  }
  return short(hash);
}

const short = (hash: ReturnType<typeof createHash>) => hash.digest('hex').slice(0, 12);
