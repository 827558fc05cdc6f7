import type { Executor } from '../run/executor';
import { Memo } from '../run/memo';
import type { Reply, Request, RunResults } from '../run/protocol';
import { dataAt } from '../run/data';
import type { Thread, ThreadEvents } from '../run/threads';
import type { WeightMemory } from '../run/weights';
import type { Message } from './protocol';
import { currentRuntime } from './runtime';

/**
 * Starts a worker with a copy of the weights. Pages have no memory that threads share, unless their server says so;
 * so what is written to the weights later is sent before what needs it.
 */
export const startThread = (weights: WeightMemory, events: ThreadEvents): Thread => start(weights, events, 1);

function start(weights: WeightMemory, { answered, failed }: ThreadEvents, threads: number): Thread {
  const { specs, values, versions } = weights;
  const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
  const post = (message: Message, transferred: readonly ArrayBuffer[] = []) =>
    worker.postMessage(message, [...transferred]);
  worker.addEventListener('message', ({ data }: MessageEvent<Reply>) => answered(data));
  worker.addEventListener('error', (event) => {
    event.preventDefault();
    failed(`a worker failed: ${event.message || 'its script does not load'}`);
  });
  const sent = versions.slice();
  post({ kind: 'start', weights, runtime: currentRuntime(), threads });
  const changes = () => {
    const indices = specs.map((_, i) => i).filter((i) => sent[i] !== versions[i]);
    sent.set(versions);
    return indices.map((index) => {
      const { shape, dtype, offset } = specs[index];
      return { index, data: dataAt(values, shape, dtype, offset).slice() };
    });
  };
  return {
    post(request, transferred) {
      const written = request.kind === 'run' ? changes() : [];
      if (written.length > 0)
        post(
          { kind: 'weights', changes: written },
          written.map(({ data }) => data.buffer),
        );
      post(request, transferred);
    },
    busy: () => {},
    idle: () => {},
    end: () => Promise.resolve(worker.terminate()),
  };
}

/** Runs programs of a caller that has no workers on one that is started when there is work: off the caller's thread. */
export function startExecutor(weights: WeightMemory, { threads }: { threads: number }): Executor {
  const opened = new Memo<number, void>();
  const waiting: { resolve: (results: RunResults) => void; reject: (error: Error) => void }[] = [];
  let thread: Thread | undefined;
  let failure: Error | undefined;
  const fail = (reason: string) => {
    failure ??= new Error(reason);
    for (const { reject } of waiting.splice(0)) reject(failure);
  };
  // The worker answers in the order in which it is asked.
  const answered = (reply: Reply) => {
    const { resolve, reject } = waiting.shift()!;
    if (reply.kind === 'error') reject(new Error(reply.message));
    else resolve(reply.kind === 'results' ? reply : { results: [] });
  };
  const ask = (request: Request, transferred: readonly ArrayBuffer[]): Promise<RunResults> =>
    new Promise((resolve, reject) => {
      if (failure) return reject(failure);
      thread ??= start(weights, { answered, failed: fail }, globalThis.crossOriginIsolated ? threads : 1);
      waiting.push({ resolve, reject });
      thread.post(request, transferred);
    });
  return {
    async open(program) {
      await opened.get(program.id, () => ask({ kind: 'open', program }, []).then(() => undefined));
    },
    async run({ sums: destination, batch, ...request }) {
      // The arrays stay the caller's.
      const copies = batch.map((data) => data.slice());
      const memory = destination && new ArrayBuffer(destination.byteLength);
      const { results, sums } = await ask({ ...request, batch: copies, sums: memory }, [
        ...copies.map(({ buffer }) => buffer),
        ...(memory ? [memory] : []),
      ]);
      if (destination && sums) new Uint8Array(destination).set(new Uint8Array(sums));
      return [...results];
    },
    async close() {
      await opened.close(() => Promise.resolve());
      fail('it has been disposed');
      await thread?.end();
    },
  };
}

/** How many threads are worth having: a graphics processor serves one. */
export function processors(): number {
  const { device, threads = globalThis.navigator?.hardwareConcurrency ?? 1 } = currentRuntime();
  return device === 'webgpu' ? 1 : threads;
}
