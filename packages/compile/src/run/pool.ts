import type { ProgramSpec } from '../plan/program';
import type { Reply, Request, RunRequest, RunResults } from './protocol';
import { isShared } from './realm';
import type { Thread } from './threads';
import { startThread } from './threads';
import type { WeightMemory } from './weights';

interface Job {
  readonly program: ProgramSpec;
  /**
   * Built when its turn comes, so that it can use buffers that have been returned by then. Absent where the program is
   * only to be opened.
   */
  readonly request?: () => RunRequest;
  readonly resolve: (results: RunResults) => void;
  readonly reject: (error: Error) => void;
}

interface Member {
  readonly thread: Thread;
  /** The programs that it has opened. */
  readonly opened: Set<ProgramSpec>;
  /** Jobs that this member alone is to do. */
  readonly assigned: Job[];
  current?: Job;
}

/**
 * Worker threads that share one queue: started when there is work that no other is free for, up to a number. A request
 * that fails fails alone; a worker that dies ends them all, and every open request with one error.
 */
export class Pool {
  private readonly who: string;
  private readonly limit: number;
  private readonly weights: WeightMemory;
  private readonly members: Member[] = [];
  private readonly queue: Job[] = [];
  private failure?: Error;

  /**
   * @param who the function that it works for, with whose name its errors begin
   * @param limit how many workers there may be
   */
  constructor(who: string, limit: number, weights: WeightMemory) {
    this.who = who;
    this.limit = limit;
    this.weights = weights;
  }

  /** Workers that have been started. */
  get size(): number {
    return this.members.length;
  }

  /**
   * Opens a program on so many workers, and starts them where they are not there yet; others open it when they first
   * run it.
   */
  async open(program: ProgramSpec, workers: number): Promise<void> {
    if (this.failure) throw this.failure;
    while (this.members.length < Math.min(workers, this.limit)) this.start();
    await Promise.all(this.members.slice(0, workers).map((member) => this.enqueue(member.assigned, program)));
  }

  /**
   * Runs a program on whichever worker is free first, with the memory of the batch, which is lost here.
   */
  run(program: ProgramSpec, request: () => RunRequest): Promise<RunResults> {
    return this.enqueue(this.queue, program, request);
  }

  async close(): Promise<void> {
    this.fail('it has been disposed');
    await Promise.all(this.members.map(({ thread }) => thread.end()));
  }

  private start(): void {
    const thread = startThread(this.weights, {
      answered: (reply) => this.answered(member, reply),
      failed: (reason) => this.fail(reason),
    });
    const member: Member = { thread, opened: new Set(), assigned: [] };
    this.members.push(member);
  }

  private enqueue(queue: Job[], program: ProgramSpec, request?: () => RunRequest): Promise<RunResults> {
    if (this.failure) return Promise.reject(this.failure);
    return new Promise((resolve, reject) => {
      queue.push({ program, request, resolve, reject });
      const busy = this.members.every(({ current }) => current);
      if (queue === this.queue && busy && this.members.length < this.limit) this.start();
      for (const member of this.members) this.next(member);
    });
  }

  private next(member: Member): void {
    if (member.current) return;
    member.current = member.assigned.shift() ?? this.queue.shift();
    if (!member.current) return;
    member.thread.busy();
    this.advance(member, member.current);
  }

  /**
   * Sends what is to be done next for a job: its program, where the worker has not opened it, or the request itself.
   */
  private advance(member: Member, { program, request, resolve, reject }: Job): void {
    try {
      if (!member.opened.has(program)) this.send(member, { kind: 'open', program });
      else if (request) this.send(member, request());
      else this.finished(member, () => resolve({ results: [] }));
    } catch (error) {
      // There was no memory for the request.
      this.finished(member, () => reject(error as Error));
    }
  }

  private send({ thread }: Member, request: Request): void {
    const buffers: ArrayBufferLike[] = request.kind === 'run' ? request.batch.map(({ buffer }) => buffer) : [];
    if (request.kind === 'run' && request.sums) buffers.push(request.sums);
    thread.post(
      request,
      buffers.filter((buffer): buffer is ArrayBuffer => !isShared(buffer)),
    );
  }

  private answered(member: Member, reply: Reply): void {
    const job = member.current;
    if (!job || this.failure) return;
    if (reply.kind === 'opened') {
      member.opened.add(job.program);
      this.advance(member, job);
    } else {
      this.finished(member, () => {
        if (reply.kind === 'results') job.resolve(reply);
        else job.reject(new Error(`${this.who}: ${reply.message}`));
      });
    }
  }

  private finished(member: Member, settle: () => void): void {
    member.current = undefined;
    member.thread.idle();
    settle();
    if (!this.failure) this.next(member);
  }

  private fail(reason: string): void {
    if (this.failure) return;
    this.failure = new Error(`${this.who}: ${reason}`);
    const jobs = [...this.members.flatMap(({ current, assigned }) => [current, ...assigned]), ...this.queue];
    for (const open of jobs) open?.reject(this.failure);
    for (const { thread } of this.members) void thread.end();
  }
}
