// What several processes do together, for world.test.ts: the first prints what came out.
import { joinWorld, launched } from '../dist/index.js';

const world = await joinWorld({ launch: launched(), library: process.env.LIBRARY });
const { rank, size } = world;
// One vector of each process, but two of the first: 7 elements do not divide evenly.
const vector = (value) => Float32Array.from({ length: 7 }, (_, i) => 10 ** value * (i + 1));
const total = vector(rank);
const mine = rank === 0 ? [total, vector(3)] : [total];
const counts = Array.from({ length: size }, (_, r) => (r === 0 ? 2 : 1));
await world.reduce(mine, counts, (all) => all.reduce((a, b) => a.map((value, i) => value + b[i])), total);
const lengths = Array.from({ length: size }, (_, r) => r);
const gathered = await world.gather(
  Float32Array.from({ length: rank }, (_, i) => rank + i / 10),
  lengths,
);
await world.same({ program: 'one' });
const message = await world.same({ program: 'one', data: String(Math.min(rank, 1)) }).catch((error) => error.message);
const first = await world.first({ rank });
const bytes = (await world.gatherBytes(new Uint8Array(rank))).map(({ length }) => length);
if (rank === size - 1)
  console.log(JSON.stringify({ size, total: [...total], gathered: [...gathered], message, first, bytes }));
await world.close();
