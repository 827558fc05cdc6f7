import { sizeOf } from '../graph';
import type { Executor } from './executor';
import { reasonOf } from './realm';
import type { Pool } from './pool';
import type { GradientProgram } from './gradient-program';
import { addSums } from './gradient-program';
import type { ProgramSpec } from '../plan/program';
import type { TensorData } from './data';
import { sharedMemory } from './threads';

/**
 * How many micro-batches each group has; as even as can be, and the same for any number of workers, so that sums are
 * always taken in the same order. Up to 8 groups; of more than 32 micro-batches about four in each: to sum up a group
 * takes a twentieth of what a micro-batch does (the tutorial's model on two cores), and all that more groups add is to
 * be less than a hundredth of a step.
 */
export function groupSizes(microBatches: number): number[] {
  const groups = Math.min(microBatches, Math.max(8, Math.ceil(microBatches / 4)));
  return Array.from(
    { length: groups },
    (_, i) => Math.floor(((i + 1) * microBatches) / groups) - Math.floor((i * microBatches) / groups),
  );
}

/** Some micro-batches of a batch that lie one after the other. */
export interface Part {
  /** Their first example. */
  readonly start: number;
  readonly microBatches: number;
}

/** Runs programs over micro-batches, in groups that workers share. */
export class Summation {
  /** One micro-batch alone is not worth sending away. */
  private readonly executor: Executor;
  private readonly pool?: Pool;
  /** Memory for the sums of a group. */
  private readonly free = new Map<ProgramSpec, ArrayBufferLike[]>();

  constructor(executor: Executor, pool?: Pool) {
    this.executor = executor;
    this.pool = pool;
  }

  /** Opens a program where so many micro-batches of it will run. */
  async open({ spec }: GradientProgram, microBatches: number): Promise<void> {
    if (microBatches > 1 && this.pool) await this.pool.open(spec, groupSizes(microBatches).length);
    else await this.executor.open(spec).catch(rethrow);
  }

  /** Leaves the sums of the micro-batches in the program's total. @returns the losses, in order */
  async run(program: GradientProgram, part: Part, inputs: readonly TensorData[]): Promise<readonly TensorData[]> {
    if (part.microBatches > 1 && this.pool) return this.onWorkers(this.pool, program, part, inputs);
    return this.onThisThread(program, part, inputs).catch(rethrow);
  }

  private async onThisThread(program: GradientProgram, { start, microBatches }: Part, inputs: readonly TensorData[]) {
    const { spec, sums } = program;
    await this.executor.open(spec);
    const batch = rows(program, inputs, start, microBatches);
    return this.executor.run({ kind: 'run', program: spec.id, batch, microBatches, sums: sums.total.buffer });
  }

  private async onWorkers(
    pool: Pool,
    program: GradientProgram,
    { start, microBatches }: Part,
    inputs: readonly TensorData[],
  ) {
    const { spec, microBatch } = program;
    const free = this.free.get(spec) ?? [];
    this.free.set(spec, free);
    let next = start;
    const groups = groupSizes(microBatches).map(async (count) => {
      const from = next;
      next += count * microBatch;
      const {
        results: [losses],
        sums,
      } = await pool.run(spec, () => {
        const batch = rows(program, inputs, from, count).map((data) => data.slice());
        const memory = free.pop() ?? sharedMemory(program.sums.total.byteLength);
        return { kind: 'run', program: spec.id, batch, microBatches: count, sums: memory };
      });
      return { losses, sums: sums! };
    });
    // Where one fails, the others are waited for, so that the next call finds the workers idle.
    const settled = Promise.allSettled(groups);
    const losses: TensorData[] = [];
    for (const [i, pending] of groups.entries()) {
      const group = await pending.catch(async (error: unknown) => {
        await settled;
        throw error;
      });
      losses.push(group.losses);
      await addSums(program, new Float32Array(group.sums), i === 0);
      free.push(group.sums);
    }
    return losses;
  }
}

/** The examples of some micro-batches, as views of each input. */
const rows = (
  { spec, microBatch }: GradientProgram,
  inputs: readonly TensorData[],
  start: number,
  microBatches: number,
): TensorData[] =>
  spec.batch.map(({ shape }, i) => {
    const each = sizeOf(shape.slice(1));
    return inputs[i].subarray(start * each, (start + microBatches * microBatch) * each);
  });

const rethrow = (error: unknown): never => {
  throw new Error(`compileGradients: ${reasonOf(error)}`);
};
