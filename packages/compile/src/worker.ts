import type * as ort from 'onnxruntime-node';
import { parentPort, workerData } from 'node:worker_threads';
import { createExecutor, reasonOf } from './executor';
import type { Reply, Request, RunRequest, WorkerData } from './protocol';
import type { TensorData } from './session';
import { newTensor, openSession, ortTensor } from './session';

/* A worker: opens programs, and sums gradients over the micro-batches that it is given; loads graphs, and runs them. One request at a time. */

const port = parentPort!;
const executor = createExecutor(workerData as WorkerData);
const graphs = new Map<number, ort.InferenceSession>();

async function run({ graph, inputs, outputs }: RunRequest): Promise<TensorData[]> {
  const feeds = inputs.map(({ data, shape, dtype }, i) => [`input${i}`, ortTensor(data, shape, dtype)] as const);
  const fetches = outputs.map(({ shape, dtype }, i) => [`output${i}`, newTensor(shape, dtype)] as const);
  await graphs.get(graph)!.run(Object.fromEntries(feeds), Object.fromEntries(fetches));
  return fetches.map(([, { data }]) => data as TensorData);
}

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
    } else if (request.kind === 'load') {
      graphs.set(request.graph, await openSession(request.model, { threads: 1, optimization: 'all' }));
      reply({ kind: 'opened' });
    } else if (request.kind === 'run') {
      const results = await run(request);
      reply({ kind: 'results', results }, results);
    } else {
      const losses = await executor.sum(request);
      reply({ kind: 'sums', losses }, [losses]);
    }
  } catch (error) {
    reply({ kind: 'error', message: reasonOf(error) });
  }
}

port.on('message', (request: Request) => void answer(request));
