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

/**
 * The same on a GPU: ours by a backend, PyTorch's eager, in channels_last, and compiled, and TensorFlow.js's own.
 * @param device PyTorch's: 'cuda', or 'cpu' to try the comparison out
 */
export function comparingOnGpu(python, rounds, { backend, tfjs, device }) {
  const torch = (...how) => start(python, [file('pytorch.py'), threads, device, ...how]);
  const sides = {
    ours: () => start(process.execPath, [file('ours.mjs'), backend]),
    eager: () => torch(),
    channelsLast: () => torch('channels_last'),
    compiled: () => torch('channels_last', 'compile'),
    tfjs: () => start(process.execPath, [file('ours.mjs'), tfjs]),
  };
  return (model, request) => compare(sides, model, request, { times: rounds });
}

/**
 * Of each side, taken in turn so many times: the median of its seconds, that of their ratio to ours, and its peak
 * memory.
 */
async function compare(sides, model, request, { names = Object.keys(sides), times }) {
  const peers = [];
  const results = {};
  for (const name of names) {
    const peer = await sides[name]();
    if (!peer) continue;
    try {
      await peer.ask(model);
      // The first runs compile, allocate and warm up.
      results[name] = { preparation: (await peer.ask({ ...request, repeat: 2 })).preparation };
      peers.push({ name, peer, seconds: [] });
    } catch (error) {
      // Too little memory for it, or no compiler.
      console.error(error.message);
      peer.stop();
    }
  }
  for (let round = 0; round < times; round++) {
    for (const { name, peer, seconds } of peers) {
      const answer = await peer.ask({ ...request, repeat: 1 });
      seconds.push(...answer.seconds);
      Object.assign(results[name], { seconds: median(seconds), peakMegabytes: answer.peakMegabytes });
    }
  }
  // Of each round, since other work on the machine slows a whole round more often than one side of it.
  const ours = peers.find(({ name }) => name === 'ours');
  for (const { name, seconds } of ours ? peers : [])
    results[name].ratio = median(seconds.map((time, round) => time / ours.seconds[round]));
  for (const { peer } of peers) peer.stop();
  return results;
}

export const seconds = (result) => (result ? `${result.seconds.toFixed(3)} s` : '–');
export const ratio = (result) => (result?.ratio === undefined ? '–' : `${result.ratio.toFixed(2)}×`);
export const megabytes = (result) => (result ? `${Math.round(result.peakMegabytes)} MB` : '–');
