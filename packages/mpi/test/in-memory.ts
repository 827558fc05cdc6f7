import type { World } from '../src/world';

/** Processes that compute together, but in this one. */
export function inMemory(size: number): readonly World[] {
  const meetings: { given: unknown[]; count: number; all: Promise<unknown[]>; meet: (all: unknown[]) => void }[] = [];
  const calls = new Array<number>(size).fill(0);
  /** Every process's value in its k-th call. */
  const exchange = <T>(rank: number, value: T): Promise<T[]> => {
    const k = calls[rank]++;
    if (!meetings[k]) {
      let meet!: (all: unknown[]) => void;
      const all = new Promise<unknown[]>((resolve) => (meet = resolve));
      meetings[k] = { given: new Array<unknown>(size), count: 0, all, meet };
    }
    const meeting = meetings[k];
    meeting.given[rank] = value;
    if (++meeting.count === size) meeting.meet(meeting.given);
    return meeting.all as Promise<T[]>;
  };
  return Array.from({ length: size }, (_, rank) => ({
    rank,
    size,
    description: `${size} processes in memory`,
    stopped: new Promise<never>(() => {}),
    async reduce(vectors, _counts, combine, total) {
      const all = (await exchange(rank, vectors.map((vector) => vector.slice()))).flat(); // prettier-ignore
      total.set(combine(all.map((vector) => vector.slice())));
    },
    async gather(values) {
      return Float32Array.from((await exchange(rank, values)).flatMap((part) => [...part]));
    },
    gatherBytes: (bytes) => exchange(rank, bytes),
    async same(facts) {
      const all = await exchange(rank, JSON.stringify(facts));
      if (new Set(all).size > 1) throw new Error(`not the same: ${all.join(', ')}`);
    },
    first: async (value) => (await exchange(rank, value))[0],
    close: () => Promise.resolve(),
  }));
}
