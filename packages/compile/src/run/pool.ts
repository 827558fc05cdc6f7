import { types } from 'node:util';
import { Worker } from 'node:worker_threads';
import { workerFile } from './host';
import type { ProgramSpec } from '../plan/program';
import type { Reply, Request, RunRequest, WorkerData } from './protocol';
import type { TensorData } from './session';

interface Job {
  readonly program: ProgramSpec;
  /**
   * Built when its turn comes, so that it can use buffers that have been returned by then. Absent where the program is
   * only to be opened.
   */
  readonly request?: () => RunRequest;
  readonly resolve: (results: readonly TensorData[]) => void;
  readonly reject: (error: Error) => void;
}

interface Member {
  readonly worker: Worker;
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
  private readonly workerData: WorkerData;
  private readonly members: Member[] = [];
  private readonly queue: Job[] = [];
  private failure?: Error;

  /**
   * @param who the function that it works for, with whose name its errors begin
   * @param limit how many workers there may be
   */
  constructor(who: string, limit: number, workerData: WorkerData) {
    this.who = who;
    this.limit = limit;
    this.workerData = workerData;
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
   * @returns its results; the sums are where the request says
   */
  run(program: ProgramSpec, request: () => RunRequest): Promise<readonly TensorData[]> {
    return this.enqueue(this.queue, program, request);
  }

  async close(): Promise<void> {
    this.fail('it has been disposed');
    await Promise.all(this.members.map(({ worker }) => worker.terminate()));
  }

  private start(): void {
    // Not the process's own flags: `node --input-type=module -e …` would hinder the workers.
    const worker = new Worker(workerFile, { workerData: this.workerData, execArgv: [] });
    const member: Member = { worker, opened: new Set(), assigned: [] };
    // A process with nothing else to do need not wait for idle workers.
    worker.unref();
    worker.on('message', (reply: Reply) => this.answered(member, reply));
    worker.on('error', (error) => this.fail(`a worker failed: ${error.message}`));
    worker.on('exit', (code) => this.fail(`a worker ended unexpectedly with code ${code}`));
    this.members.push(member);
  }

  private enqueue(queue: Job[], program: ProgramSpec, request?: () => RunRequest): Promise<readonly TensorData[]> {
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
    member.worker.ref();
    this.advance(member, member.current);
  }

  /**
   * Sends what is to be done next for a job: its program, where the worker has not opened it, or the request itself.
   */
  private advance(member: Member, { program, request, resolve, reject }: Job): void {
    try {
      if (!member.opened.has(program)) this.send(member, { kind: 'open', program });
      else if (request) this.send(member, request());
      else this.finished(member, () => resolve([]));
    } catch (error) {
      // There was no memory for the request.
      this.finished(member, () => reject(error as Error));
    }
  }

  private send({ worker }: Member, request: Request): void {
    const buffers = request.kind === 'run' ? request.batch.map(({ buffer }) => buffer) : [];
    worker.postMessage(
      request,
      buffers.filter((buffer): buffer is ArrayBuffer => types.isArrayBuffer(buffer)),
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
        if (reply.kind === 'results') job.resolve(reply.results);
        else job.reject(new Error(`${this.who}: ${reply.message}`));
      });
    }
  }

  private finished(member: Member, settle: () => void): void {
    member.current = undefined;
    member.worker.unref();
    settle();
    if (!this.failure) this.next(member);
  }

  private fail(reason: string): void {
    if (this.failure) return;
    this.failure = new Error(`${this.who}: ${reason}`);
    const jobs = [...this.members.flatMap(({ current, assigned }) => [current, ...assigned]), ...this.queue];
    for (const open of jobs) open?.reject(this.failure);
    for (const { worker } of this.members) void worker.terminate();
  }
}
