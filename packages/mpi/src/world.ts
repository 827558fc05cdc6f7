import { hostname } from 'node:os';
import { setImmediate, setTimeout } from 'node:timers/promises';
import type { Among } from '@ddpm/execution';
import type { Launch } from './launch';
import type { Library, Request } from './library';
import { loadLibrary } from './library';

/** The processes that a launcher has started together. All of them call the same functions in the same order. */
export interface World extends Among {
  /** A few words that say what they are: '4 processes on 2 machines (Open MPI v4.1.4)'. */
  readonly description: string;
  /**
   * Makes sure that what is named is the same everywhere.
   * @throws Error everywhere, in one line that names what differs, and where
   */
  same(facts: Readonly<Record<string, string>>): Promise<void>;
  /** The first process's value, which must be JSON. */
  first<T>(value: T): Promise<T>;
  /** Everyone's bytes, in the order of processes. */
  gatherBytes(mine: Uint8Array): Promise<readonly Uint8Array[]>;
  /** Rejects with the signal's reason once that is aborted; never resolves. */
  readonly stopped: Promise<never>;
  /** Waits for the others, and leaves. */
  close(): Promise<void>;
}

/** How to join the others. */
export interface JoinOptions {
  readonly launch: Launch;
  /** The library's file; by default it is looked for. */
  readonly library?: string;
  /** How long to wait for the others, in seconds. */
  readonly timeout?: number;
  /** When aborted, waiting ends with its reason. */
  readonly signal?: AbortSignal;
}

/** The others did not answer in time. */
export class SilentError extends Error {
  override readonly name = 'SilentError';
}

/** Seconds that somebody may be late by: to write a checkpoint, or to draw a report. */
const TIMEOUT = 300;
/** Milliseconds of asking without a pause, which most exchanges end within. */
const EAGER = 200;
/** Milliseconds of asking at a time. */
const TURN = 1;

/** Memory that a library which was left in the middle of an exchange may still write to. */
const abandoned: unknown[] = [];

/**
 * Joins the processes that the launcher has started.
 * @throws Error in one line if MPI's library does not load or knows of other processes
 */
export async function joinWorld({ launch, library: path, timeout = TIMEOUT, signal }: JoinOptions): Promise<World> {
  const library = loadLibrary(launch.kind, path);
  library.init();
  const [rank, size] = [library.rank(), library.size()];
  if (size !== launch.size)
    throw new Error(
      `MPI: the launcher has started ${launch.size} processes, but its library (${library.version}) knows of ${size}: they are not of one installation`,
    );
  const exchanges = new Exchanges(library, { rank, size, timeout, signal });
  const hosts = await exchanges.texts(hostname());
  const machines = new Set(hosts).size;
  const where = (r: number) => (machines > 1 ? `process ${r} on ${hosts[r]}` : `process ${r}`);

  return {
    rank,
    size,
    description: `${size} processes on ${machines} machine${machines === 1 ? '' : 's'} (${library.version})`,
    stopped: exchanges.stopped,
    reduce: (...values) => exchanges.reduce(...values),
    async gather(values, counts) {
      const bytes = await exchanges.gather(
        bytesOf(values),
        counts.map((count) => 4 * count),
      );
      return new Float32Array(bytes.buffer);
    },
    async gatherBytes(mine) {
      return exchanges.bytes(mine);
    },
    async first(value) {
      const [text] = await exchanges.texts(rank === 0 ? JSON.stringify(value) : '');
      return JSON.parse(text) as typeof value;
    },
    async same(facts) {
      const [first, ...others] = (await exchanges.texts(JSON.stringify(facts))).map(
        (text) => JSON.parse(text) as Record<string, string>,
      );
      for (const [i, other] of others.entries()) {
        const name = [...new Set([...Object.keys(first), ...Object.keys(other)])].find(
          (name) => first[name] !== other[name],
        );
        if (name !== undefined)
          throw new Error(
            `the processes do not belong together: ${name} is ${first[name] ?? 'unknown'} for ${where(0)}, ${other[name] ?? 'unknown'} for ${where(i + 1)}`,
          );
      }
    },
    async close() {
      await exchanges.wait([library.barrier()]);
      library.finalize();
    },
  };
}

/** Exchanges of memory, which are waited for without blocking. */
class Exchanges {
  readonly stopped: Promise<never>;
  private readonly library: Library;
  private readonly rank: number;
  private readonly size: number;
  private readonly timeout: number;
  private readonly signal?: AbortSignal;

  constructor(
    library: Library,
    { rank, size, timeout, signal }: { rank: number; size: number; timeout: number; signal?: AbortSignal },
  ) {
    this.library = library;
    this.rank = rank;
    this.size = size;
    this.timeout = timeout;
    this.signal = signal;
    this.stopped = new Promise((_, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason as Error));
    });
    // Whoever waits for it hears of it.
    this.stopped.catch(() => {});
  }

  /**
   * Waits until exchanges have ended.
   * @param memory what they read and write
   */
  async wait(requests: readonly Request[], ...memory: unknown[]): Promise<void> {
    const open = [...requests];
    const start = performance.now();
    for (;;) {
      const turn = performance.now();
      do {
        while (open.length > 0 && this.library.test(open[0])) open.shift();
        if (open.length === 0) return;
      } while (performance.now() - turn < TURN);
      const waited = turn - start;
      if (this.signal?.aborted || waited > 1000 * this.timeout) {
        abandoned.push(requests, memory);
        this.signal?.throwIfAborted();
        throw new SilentError(
          `waited ${this.timeout} s for the other processes: one of them, its machine or its link is silent`,
        );
      }
      if (waited < EAGER) await setImmediate();
      else await setTimeout(TURN);
    }
  }

  /** @param counts of everyone's bytes */
  async gather(mine: Uint8Array, counts: readonly number[]): Promise<Uint8Array> {
    this.signal?.throwIfAborted();
    const starts = startsOf(counts);
    const from = copyOf(mine);
    const all = new Uint8Array(new ArrayBuffer(sum(counts)));
    const numbers = [ints(counts), ints(starts)] as const;
    await this.wait([this.library.gather(from, all, ...numbers)], from, all, numbers);
    return all;
  }

  async bytes(mine: Uint8Array): Promise<readonly Uint8Array[]> {
    const length = bytesOf(ints([mine.length]));
    const lengths = new Int32Array((await this.gather(length, new Array<number>(this.size).fill(4))).buffer);
    const all = await this.gather(mine, [...lengths]);
    return startsOf([...lengths]).map((start, i) => all.subarray(start, start + lengths[i]));
  }

  async texts(mine: string): Promise<string[]> {
    return (await this.bytes(new TextEncoder().encode(mine))).map((bytes) => new TextDecoder().decode(bytes));
  }

  /** See `Among`. Everyone gets its share of the elements of all vectors, and gives back what it made of them. */
  async reduce(
    vectors: readonly Float32Array[],
    counts: readonly number[],
    combine: (all: readonly Float32Array[]) => Float32Array,
    total: Float32Array,
  ): Promise<void> {
    this.signal?.throwIfAborted();
    const { rank, size, library } = this;
    const ends = Array.from({ length: size + 1 }, (_, r) => Math.floor((r * total.length) / size));
    const shares = Array.from({ length: size }, (_, r) => ends[r + 1] - ends[r]);
    const mine = shares[rank];
    const nothing = new Array<number>(size).fill(0);
    const none = new Float32Array(new ArrayBuffer(4));
    const requests: Request[] = [];
    const memory: unknown[] = [];
    const got: Float32Array[][] = counts.map(() => []);
    // One round for each vector of whoever has most.
    for (let k = 0; k < Math.max(...counts); k++) {
      const coming = counts.map((count) => (k < count ? mine : 0));
      const inbox = new Float32Array(new ArrayBuffer(4 * Math.max(1, sum(coming))));
      const starts = startsOf(coming);
      const going = k < vectors.length;
      const from = {
        data: going ? vectors[k] : none,
        counts: ints(going ? shares : nothing),
        displacements: ints(ends.slice(0, size)),
      };
      const to = { data: inbox, counts: ints(coming), displacements: ints(starts) };
      requests.push(library.exchange(from, to));
      memory.push(from, to);
      for (const [r, count] of counts.entries())
        if (k < count) got[r].push(inbox.subarray(starts[r], starts[r] + mine));
    }
    await this.wait(requests, memory, vectors);
    const part = combine(got.flat());
    const whole = await this.gather(
      bytesOf(part),
      shares.map((share) => 4 * share),
    );
    total.set(new Float32Array(whole.buffer));
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array | Int32Array) =>
  new Uint8Array(buffer, byteOffset, byteLength);

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

/** Where each begins, one behind the other. */
const startsOf = (counts: readonly number[]) => counts.map((_, i) => sum(counts.slice(0, i)));

/* Small typed arrays may lie where the garbage collector moves them, unless they are made on a buffer. */

function ints(values: readonly number[]): Int32Array {
  const array = new Int32Array(new ArrayBuffer(4 * values.length));
  array.set(values);
  return array;
}

function copyOf(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new ArrayBuffer(Math.max(1, bytes.length)), 0, bytes.length);
  copy.set(bytes);
  return copy;
}
