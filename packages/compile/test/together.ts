import type { Among } from '../src/run/tree';

/** Processes that compute together, but in this one. */
export function together(size: number): readonly Among[] {
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
  const check = (given: number, expected: number) => {
    if (given !== expected) throw new Error(`${given} came, ${expected} were announced`);
  };
  return Array.from({ length: size }, (_, rank) => ({
    rank,
    size,
    async reduce(vectors, counts, combine, total) {
      check(vectors.length, counts[rank]);
      const share = Math.ceil(total.length / size);
      const [from, to] = [rank * share, (rank + 1) * share];
      const all = (await exchange(rank, vectors)).flat();
      const part = combine(all.map((vector) => vector.slice(from, to)));
      const parts = await exchange(rank, part);
      for (const [i, values] of parts.entries()) if (values.length > 0) total.set(values, i * share);
    },
    async gather(values, counts) {
      check(values.length, counts[rank]);
      return Float32Array.from((await exchange(rank, values)).flatMap((part) => [...part]));
    },
  }));
}
