/** Runs `work(0) … work(count − 1)`, at most `limit` at a time, in order of start; fails with the first failure. */
export async function concurrently(count: number, limit: number, work: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < count) {
      const i = next++;
      try {
        await work(i);
      } catch (error) {
        next = count;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, count) }, lane));
}
