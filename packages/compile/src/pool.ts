import { types } from 'node:util';
import { Worker } from 'node:worker_threads';
import { workerFile } from './host';
import type { GroupRequest, Reply, Request, RunRequest, WorkerData } from './protocol';
import type { TensorData } from './session';

interface Job {
  /** Made when its turn comes, so that it can use buffers that have been returned by then. */
  readonly request: () => Request;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
}

interface Member {
  readonly worker: Worker;
  /** Jobs that only this member can do. */
  readonly own: Job[];
  current?: Job;
}

/** The memory that goes to the worker with a request. */
function buffersOf(request: Request): ArrayBufferLike[] {
  if (request.kind === 'group') return request.batch.map(({ buffer }) => buffer);
  return request.kind === 'run' ? request.inputs.map(({ data }) => data.buffer) : [];
}

/** Worker threads that share one queue. A request that fails fails alone; a worker that dies ends them all, and every open request with one error. */
export class Pool {
  private readonly who: string;
  private readonly members: Member[];
  private readonly queue: Job[] = [];
  private failure?: Error;

  /** @param who what its errors begin with: the function that it works for */
  constructor(who: string, size: number, workerData: WorkerData) {
    this.who = who;
    this.members = Array.from({ length: size }, () => {
      // Not the process's own flags: `node --input-type=module -e …` would hinder the workers.
      const worker = new Worker(workerFile, { workerData, execArgv: [] });
      const member: Member = { worker, own: [] };
      // A process with nothing else to do need not wait for idle workers.
      worker.unref();
      worker.on('message', (reply: Reply) => this.finished(member, reply));
      worker.on('error', (error) => this.fail(`a worker failed: ${error.message}`));
      worker.on('exit', (code) => this.fail(`a worker ended unexpectedly with code ${code}`));
      return member;
    });
  }

  /** Sends a request to every worker; resolves when all have done it. */
  async broadcast(request: Request): Promise<void> {
    await Promise.all(this.members.map((member) => this.enqueue(member.own, () => request)));
  }

  /**
   * Sends a group to whichever worker is free first, with the memory of its batch, which is lost here.
   * @returns the losses; the sums are where the request says
   */
  async sum(request: () => GroupRequest): Promise<Float32Array> {
    const reply = await this.enqueue(this.queue, request);
    if (reply.kind !== 'sums') throw new Error(`${this.who}: a worker answered ${reply.kind}`);
    return reply.losses;
  }

  /** Runs a graph that has been loaded on whichever worker is free first. The memory of the inputs is lost here. */
  async run(request: () => RunRequest): Promise<readonly TensorData[]> {
    const reply = await this.enqueue(this.queue, request);
    if (reply.kind !== 'results') throw new Error(`${this.who}: a worker answered ${reply.kind}`);
    return reply.results;
  }

  async close(): Promise<void> {
    this.fail('it has been disposed');
    await Promise.all(this.members.map(({ worker }) => worker.terminate()));
  }

  private enqueue(queue: Job[], request: () => Request): Promise<Reply> {
    if (this.failure) return Promise.reject(this.failure);
    return new Promise((resolve, reject) => {
      queue.push({ request, resolve, reject });
      for (const member of this.members) this.next(member);
    });
  }

  private next(member: Member): void {
    if (member.current) return;
    const job = member.own.shift() ?? this.queue.shift();
    if (!job) return;
    member.current = job;
    member.worker.ref();
    const request = job.request();
    member.worker.postMessage(
      request,
      buffersOf(request).filter((array): array is ArrayBuffer => types.isArrayBuffer(array)),
    );
  }

  private finished(member: Member, reply: Reply): void {
    const job = member.current;
    member.current = undefined;
    member.worker.unref();
    if (reply.kind === 'error') job?.reject(new Error(`${this.who}: ${reply.message}`));
    else job?.resolve(reply);
    if (!this.failure) this.next(member);
  }

  private fail(reason: string): void {
    if (this.failure) return;
    this.failure = new Error(`${this.who}: ${reason}`);
    const jobs = [...this.members.flatMap(({ current, own }) => [current, ...own]), ...this.queue];
    for (const open of jobs) open?.reject(this.failure);
    for (const { worker } of this.members) void worker.terminate();
  }
}
