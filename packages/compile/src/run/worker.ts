import { parentPort, workerData } from 'node:worker_threads';
import { answer } from './answer';
import { createExecutor } from './executor';
import type { Request } from './protocol';
import type { WeightMemory } from './weights';

/* A worker: opens programs, and runs them on the micro-batches that it is given. */

const port = parentPort!;
const executor = createExecutor(workerData as WeightMemory, { threads: 1 });

port.on(
  'message',
  (request: Request) => void answer(executor, request, (reply, transferred) => port.postMessage(reply, transferred)),
);
