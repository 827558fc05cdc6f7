/* A page asks a worker; the worker answers in order, with progress on the way. A newer question of a kind takes the place of an older one. */

interface Question {
  readonly id: number;
  readonly kind: string;
  readonly data: unknown;
}

type Answer =
  | { readonly id: number; readonly progress: unknown }
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: string; readonly superseded: boolean };

/** A question that a newer one has taken the place of. */
export class Superseded extends Error {}

/** A question as whoever answers it sees it. */
export interface Asked<P> {
  /** Tells the page. */
  readonly progress: (value: P, transferred?: Transferable[]) => void;
  /** @throws Superseded where the answer is not wanted any more */
  readonly check: () => Promise<void>;
}

type Handlers = Readonly<Record<string, (data: never, asked: Asked<unknown>) => unknown>>;

/** Answers questions by their kinds. */
export function serve(handlers: Handlers): void {
  const scope = globalThis as unknown as Pick<MessagePort, 'addEventListener' | 'postMessage'>;
  const newest = new Map<string, number>();
  let last = Promise.resolve();
  const answer = async ({ id, kind, data }: Question) => {
    const superseded = () => newest.get(kind) !== id;
    const asked: Asked<unknown> = {
      progress: (value, transferred = []) => scope.postMessage({ id, progress: value }, transferred),
      async check() {
        // Lets messages in.
        await new Promise((resolve) => setTimeout(resolve));
        if (superseded()) throw new Superseded('superseded');
      },
    };
    try {
      if (superseded()) throw new Superseded('superseded');
      const handle = handlers[kind];
      scope.postMessage({ id, result: await handle(data as never, asked) });
    } catch (error) {
      scope.postMessage({ id, error: (error as Error).message, superseded: error instanceof Superseded });
    }
  };
  scope.addEventListener('message', ({ data: question }: MessageEvent<Question>) => {
    newest.set(question.kind, question.id);
    if (question.kind === 'stop') newest.set(String(question.data), question.id);
    else last = last.then(() => answer(question));
  });
}

/** A worker, as the page asks it. */
export class Remote {
  private readonly worker: Worker;
  private readonly open = new Map<
    number,
    { resolve: (value: never) => void; reject: (error: Error) => void; progress?: (value: never) => void }
  >();
  private next = 1;

  constructor(worker: Worker) {
    this.worker = worker;
    worker.addEventListener('message', ({ data }: MessageEvent<Answer>) => {
      const question = this.open.get(data.id);
      if (!question) return;
      if ('progress' in data) return question.progress?.(data.progress as never);
      this.open.delete(data.id);
      if ('error' in data) question.reject(data.superseded ? new Superseded(data.error) : new Error(data.error));
      else question.resolve(data.result as never);
    });
    worker.addEventListener('error', (event) => {
      const error = new Error(event.message || 'the worker does not load');
      for (const { reject } of this.open.values()) reject(error);
      this.open.clear();
    });
  }

  /** Asks; what is given is copied. */
  ask<R, P = never>(kind: string, data?: unknown, progress?: (value: P) => void): Promise<R> {
    const id = this.next++;
    return new Promise((resolve, reject) => {
      this.open.set(id, { resolve, reject, progress });
      this.worker.postMessage({ id, kind, data } satisfies Question);
    });
  }

  /** Ends the questions of a kind at their next `check`. */
  stop(kind: string): void {
    this.worker.postMessage({ id: this.next++, kind: 'stop', data: kind } satisfies Question);
  }

  /** Ends the worker, and with it every question. */
  end(): void {
    this.worker.terminate();
    for (const { reject } of this.open.values()) reject(new Superseded('the worker has ended'));
    this.open.clear();
  }
}
