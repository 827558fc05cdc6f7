import { parentPort, workerData } from 'node:worker_threads';
import { createExecutor, failure } from './executor';
import type { Reply, Request, WorkerData } from './protocol';

/* A worker: opens programs, and sums gradients over the micro-batches that it is given. One request at a time. */

const port = parentPort!;
const executor = createExecutor(workerData as WorkerData);

async function answer(request: Request): Promise<void> {
  const reply = (message: Reply, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);
  try {
    if (request.kind === 'open') {
      await executor.open(request.program);
      reply({ kind: 'opened' });
    } else {
      const { sums, losses } = await executor.sum(request);
      reply({ kind: 'sums', sums, losses }, [sums.buffer, losses.buffer]);
    }
  } catch (error) {
    reply({ kind: 'error', message: failure(error).message });
  }
}

port.on('message', (request: Request) => void answer(request));
