import { parentPort, workerData } from 'node:worker_threads';
import { createExecutor, reasonOf } from './executor';
import type { Reply, Request, WorkerData } from './protocol';
import type { TensorData } from './session';

/* A worker: opens programs, and runs them on the micro-batches that it is given. One request at a time. */

const port = parentPort!;
const executor = createExecutor(workerData as WorkerData, { threads: 1 });

async function answer(request: Request): Promise<void> {
  const reply = (message: Reply, arrays: readonly TensorData[] = []) =>
    port.postMessage(
      message,
      arrays.map(({ buffer }) => buffer as ArrayBuffer),
    );
  try {
    if (request.kind === 'open') {
      await executor.open(request.program);
      reply({ kind: 'opened' });
    } else {
      const results = await executor.run(request);
      reply({ kind: 'results', results }, results);
    }
  } catch (error) {
    reply({ kind: 'error', message: reasonOf(error) });
  }
}

port.on('message', (request: Request) => void answer(request));
