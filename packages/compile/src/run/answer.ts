import type { Executor } from './executor';
import type { Reply, Request } from './protocol';
import { isShared, reasonOf } from './realm';

/** Answers a request; the memory of the reply changes hands. One request at a time. */
export async function answer(
  executor: Executor,
  request: Request,
  post: (reply: Reply, transferred: ArrayBuffer[]) => void,
): Promise<void> {
  try {
    if (request.kind === 'open') {
      await executor.open(request.program);
      post({ kind: 'opened' }, []);
    } else {
      const results = await executor.run(request);
      const { sums } = request;
      const memory = results.map(({ buffer }) => buffer as ArrayBuffer);
      if (sums && !isShared(sums)) memory.push(sums as ArrayBuffer);
      post({ kind: 'results', results, sums }, memory);
    }
  } catch (error) {
    post({ kind: 'error', message: reasonOf(error) }, []);
  }
}
