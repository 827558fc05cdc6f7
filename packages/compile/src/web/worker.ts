import { answer } from '../run/answer';
import type { Executor } from '../run/executor';
import { createExecutor } from '../run/executor';
import { reasonOf } from '../run/realm';
import { writeWeight } from '../run/weights';
import type { Message } from './protocol';
import { loadRuntime } from './ort';

/* A page's worker: opens programs, and runs them on the micro-batches that it is given. */

/** As TypeScript's library of pages does not know it. */
declare const self: Pick<MessagePort, 'addEventListener' | 'postMessage'>;

let last = Promise.resolve();
let executor: Executor;
let weights: Parameters<typeof writeWeight>[0];
let missing: string | undefined;

async function take(message: Message): Promise<void> {
  if (message.kind === 'start') {
    weights = message.weights;
    await loadRuntime(message.runtime, message.threads).catch((error: unknown) => {
      missing = `ONNX Runtime does not load: ${reasonOf(error)}`;
    });
    executor = createExecutor(weights, { threads: message.threads });
  } else if (message.kind === 'weights') {
    for (const { index, data } of message.changes) writeWeight(weights, index, data);
  } else if (missing !== undefined) {
    self.postMessage({ kind: 'error', message: missing });
  } else {
    await answer(executor, message, (reply, transferred) => self.postMessage(reply, transferred));
  }
}

self.addEventListener('message', ({ data }: MessageEvent<Message>) => {
  last = last.then(() => take(data));
});
