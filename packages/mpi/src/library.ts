import { readdirSync, statSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import type { LibraryHandle } from 'koffi';
import koffi from 'koffi';
import type { Launch } from './launch';

/** MPI's library: those of its functions that are used here. Buffers are told by their memory, which must not move. */
export interface Library {
  readonly kind: Launch['kind'];
  /** In its own words, such as 'Open MPI v4.1.4'. */
  readonly version: string;
  init(): void;
  finalize(): void;
  rank(): number;
  size(): number;
  /** Each of these begins an exchange among all processes, and returns what `test` asks by. */
  barrier(): Request;
  /** Counts and displacements are in bytes. */
  gather(mine: Uint8Array, all: Uint8Array, counts: Int32Array, displacements: Int32Array): Request;
  /** Counts and displacements are in floats. */
  exchange(from: Share, to: Share): Request;
  /** Whether an exchange has ended. It goes on only while this is asked. */
  test(request: Request): boolean;
}

/** An exchange that has begun, as the library knows it. */
export type Request = Buffer;

/** Floats that go to each process, or come from each. */
export interface Share {
  readonly data: Float32Array;
  readonly counts: Int32Array;
  readonly displacements: Int32Array;
}

/* Open MPI's handles are the addresses of objects that it exports, MPICH's are numbers. */
const mpichHandles = { world: 0x44000000, byte: 0x4c00010d, float: 0x4c00040a, errorsReturn: 0x54000001 };
const openMpiSymbols = {
  world: 'ompi_mpi_comm_world',
  byte: 'ompi_mpi_byte',
  float: 'ompi_mpi_float',
  errorsReturn: 'ompi_mpi_errors_return',
};

const names: Readonly<Record<Launch['kind'], readonly string[]>> =
  process.platform === 'darwin'
    ? { 'Open MPI': ['libmpi.40.dylib'], MPICH: ['libmpi.12.dylib', 'libmpich.12.dylib'] }
    : { 'Open MPI': ['libmpi.so.40'], MPICH: ['libmpi.so.12', 'libmpich.so.12'] };

/** Where a kind's library may be: where the system looks, and beside the launchers that `PATH` leads to. */
function candidates(kind: Launch['kind']): string[] {
  const folders = (process.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => statSync(join(folder, 'mpirun'), { throwIfNoEntry: false }))
    .flatMap((folder) => [join(dirname(folder), 'lib'), join(dirname(folder), 'lib64')])
    .filter((folder) => statSync(folder, { throwIfNoEntry: false }));
  return [
    ...names[kind],
    ...folders.flatMap((folder) => {
      const files = readdirSync(folder);
      return names[kind].filter((name) => files.includes(name)).map((name) => join(folder, name));
    }),
  ];
}

/**
 * Loads the library of the launcher's kind.
 * @param path where it is; by default it is looked for
 * @throws Error in one line if there is none, or it is of another kind than the launcher
 */
export function loadLibrary(kind: Launch['kind'], path?: string): Library {
  // UCX, which some MPICH use, would take over the signals that V8's WebAssembly needs.
  process.env.UCX_ERROR_SIGNALS ??= '';
  const failures: string[] = [];
  for (const candidate of path === undefined ? candidates(kind) : [path]) {
    let library: LibraryHandle;
    try {
      library = koffi.load(candidate, { global: true, lazy: true });
    } catch (error) {
      failures.push((error as Error).message.split('\n', 1)[0]);
      continue;
    }
    const version = versionOf(library);
    const found = version.startsWith('Open MPI') ? 'Open MPI' : 'MPICH';
    if (found !== kind)
      throw new Error(
        `MPI: this was started by ${kind}, but ${candidate} is of ${found} (${version}); DDPM_MPI_LIBRARY names the library`,
      );
    return bind(library, kind, version);
  }
  throw new Error(
    `MPI: this was started by ${kind}, whose library does not load (${failures.join('; ')}); DDPM_MPI_LIBRARY names it`,
  );
}

function versionOf(library: LibraryHandle): string {
  const [text, length] = [Buffer.alloc(8192), Buffer.alloc(4)];
  (library.func('int MPI_Get_library_version(void *, void *)') as Call)(text, length);
  const whole = text.toString('latin1', 0, length.readInt32LE(0)).replace(/\0.*$/s, '').trim();
  const mpich = /Version:\s*(\S+)/.exec(whole);
  return mpich ? `MPICH ${mpich[1]}` : whole.split(/[,\n]/, 1)[0];
}

type Call = (...values: unknown[]) => number;

function bind(library: LibraryHandle, kind: Launch['kind'], version: string): Library {
  const open = kind === 'Open MPI';
  const handle = (name: keyof typeof mpichHandles): unknown =>
    open ? library.symbol(openMpiSymbols[name], 'void') : mpichHandles[name];
  /** H stands for the type of handles. */
  const func = (name: string, parameters: string): Call => {
    const call = library.func(`int ${name}(${parameters.replaceAll('H', open ? 'void *' : 'int')})`) as Call;
    return (...values) => {
      const code = call(...values);
      if (code !== 0) throw new Error(`MPI: ${name} failed with code ${code}`);
      return code;
    };
  };
  const [world, byte, float] = [handle('world'), handle('byte'), handle('float')];
  const init = func('MPI_Init', 'void *, void *');
  const setErrorHandler = func('MPI_Comm_set_errhandler', 'H, H');
  const finalize = func('MPI_Finalize', '');
  const ofWorld = (name: string) => {
    const call = func(name, 'H, void *');
    return () => {
      const result = Buffer.alloc(4);
      call(world, result);
      return result.readInt32LE(0);
    };
  };
  const barrier = func('MPI_Ibarrier', 'H, void *');
  const gather = func('MPI_Iallgatherv', 'void *, int, H, void *, void *, void *, H, H, void *');
  const exchange = func('MPI_Ialltoallv', 'void *, void *, void *, H, void *, void *, void *, H, H, void *');
  const test = func('MPI_Test', 'void *, void *, void *');
  const begin = (call: Call, ...values: unknown[]): Request => {
    const request = Buffer.alloc(8);
    call(...values, request);
    return request;
  };
  const [done, status] = [Buffer.alloc(4), Buffer.alloc(64)];
  return {
    kind,
    version,
    init() {
      init(null, null);
      // What goes wrong is thrown here; the library would print it and end the process.
      setErrorHandler(world, handle('errorsReturn'));
    },
    finalize: () => void finalize(),
    rank: ofWorld('MPI_Comm_rank'),
    size: ofWorld('MPI_Comm_size'),
    barrier: () => begin(barrier, world),
    gather: (mine, all, counts, displacements) =>
      begin(gather, mine, mine.length, byte, all, counts, displacements, byte, world),
    exchange: (from, to) =>
      begin(
        exchange,
        ...[from.data, from.counts, from.displacements, float],
        ...[to.data, to.counts, to.displacements, float],
        world,
      ),
    test(request) {
      test(request, done, status);
      return done.readInt32LE(0) !== 0;
    },
  };
}
