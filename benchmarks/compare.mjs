// Our side and PyTorch's, timed in turn.
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { median, start } from './peer.mjs';

const file = (name) => fileURLToPath(new URL(name, import.meta.url));
const threads = String(availableParallelism());

const tuned = {
  MALLOC_TRIM_THRESHOLD_: String(2 ** 32),
  MALLOC_MMAP_THRESHOLD_: String(2 ** 32),
  MALLOC_TOP_PAD_: String(2 ** 28),
};

/**
 * A function that times a model and a request on all sides, or those with the given names: ours, PyTorch's, and
 * PyTorch's with the allocator tuned.
 */
export function comparing(python, rounds) {
  const sides = {
    ours: () => start(process.execPath, [file('ours.mjs')]),
    torch: () => start(python, [file('pytorch.py'), threads]),
    tuned: () => start(python, [file('pytorch.py'), threads], tuned),
  };
  return (model, request, { names, times = rounds } = {}) => compare(sides, model, request, { names, times });
}

/** The same on a GPU: ours by a backend, and PyTorch's eager, in channels_last, and compiled. */
export function comparingOnGpu(python, rounds, backend) {
  const torch = (...how) => start(python, [file('pytorch.py'), threads, 'cuda', ...how]);
  const sides = {
    ours: () => start(process.execPath, [file('ours.mjs'), backend]),
    eager: () => torch(),
    channelsLast: () => torch('channels_last'),
    compiled: () => torch('channels_last', 'compile'),
  };
  return (model, request) => compare(sides, model, request, { times: rounds });
}

/**
 * Of each side, taken in turn so many times: the median of its seconds, that of their ratio to ours, and its peak
 * memory.
 */
async function compare(sides, model, request, { names = Object.keys(sides), times }) {
  const peers = [];
  for (const name of names) {
    const peer = await sides[name]();
    if (peer) peers.push({ name, peer, seconds: [] });
  }
  for (const { peer } of peers) await peer.ask(model);
  const results = {};
  // The first runs compile, allocate and warm up.
  for (const { name, peer } of peers)
    results[name] = { preparation: (await peer.ask({ ...request, repeat: 2 })).preparation };
  for (let round = 0; round < times; round++) {
    for (const { name, peer, seconds } of peers) {
      const answer = await peer.ask({ ...request, repeat: 1 });
      seconds.push(...answer.seconds);
      Object.assign(results[name], { seconds: median(seconds), peakMegabytes: answer.peakMegabytes });
    }
  }
  // Of each round, since other work on the machine slows a whole round more often than one side of it.
  const [ours] = peers;
  for (const { name, seconds } of peers)
    results[name].ratio = median(seconds.map((time, round) => time / ours.seconds[round]));
  for (const { peer } of peers) peer.stop();
  return results;
}

export const seconds = (result) => (result ? `${result.seconds.toFixed(3)} s` : '–');
export const ratio = (result) => (result ? `${result.ratio.toFixed(2)}×` : '–');
export const megabytes = (result) => (result ? `${Math.round(result.peakMegabytes)} MB` : '–');
