import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { workerFile } from './host';
import type { Reply, Request } from './protocol';
import type { WeightMemory } from './weights';

/** Runs programs of a caller that has no workers: on its own thread, since ORT's runs are asynchronous. */
export { createExecutor as startExecutor } from './executor';

/** A worker, as its pool sees it. */
export interface Thread {
  /** Sends a request. @param transferred memory that changes hands */
  post(request: Request, transferred: readonly ArrayBuffer[]): void;
  /** It has work: the process does not end before it. */
  busy(): void;
  /** It has none. */
  idle(): void;
  end(): Promise<unknown>;
}

/** Events that a pool is told of. */
export interface ThreadEvents {
  readonly answered: (reply: Reply) => void;
  readonly failed: (reason: string) => void;
}

/** Starts a worker that sees the weights. */
export function startThread(weights: WeightMemory, { answered, failed }: ThreadEvents): Thread {
  // Not the process's own flags: `node --input-type=module -e …` would hinder the workers.
  const worker = new Worker(workerFile, { workerData: weights, execArgv: [] });
  // A process with nothing else to do need not wait for idle workers.
  worker.unref();
  worker.on('message', answered);
  worker.on('error', (error) => failed(`a worker failed: ${error.message}`));
  worker.on('exit', (code) => failed(`a worker ended unexpectedly with code ${code}`));
  return {
    post: (request, transferred) => worker.postMessage(request, transferred),
    busy: () => worker.ref(),
    idle: () => worker.unref(),
    end: () => worker.terminate(),
  };
}

/** How many threads can run at a time. */
export const processors = availableParallelism;
