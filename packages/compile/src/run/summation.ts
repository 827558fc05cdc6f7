import { sizeOf } from '../graph';
import type { Executor } from './executor';
import { reasonOf } from './realm';
import type { Runner } from './device';
import type { GradientProgram } from './gradient-program';
import { rows } from './rows';
import type { ProgramSpec } from '../plan/program';
import type { TensorData } from './data';
import { sharedMemory } from './memory';
import type { Among, Node } from './tree';
import { add, halves, nodesOf, shareOf, sumOf } from './tree';

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

/** A process's share of a part: its losses, and the sums of nodes of the tree over the part's groups. */
interface Computed {
  readonly losses: readonly TensorData[];
  readonly sums: readonly Float32Array[];
}

/**
 * Runs programs over micro-batches, in groups that workers share. What groups give is summed up one fixed tree, so that
 * it is the same whoever computes which of them.
 */
export class Summation {
  /** One micro-batch alone is not worth sending away to workers. */
  private readonly executor?: Executor;
  private readonly pool?: Runner;
  /** Memory for the sums of groups, as workers write them. */
  private readonly free = new Map<ProgramSpec, ArrayBufferLike[]>();

  /** At least one of them. */
  constructor(executor?: Executor, pool?: Runner) {
    this.executor = executor;
    this.pool = pool;
  }

  /** Opens a program where so many micro-batches of it will run. */
  async open({ spec }: GradientProgram, microBatches: number): Promise<void> {
    const runner = this.runnerOf(microBatches);
    if (runner) await runner.open(spec, this.groups(microBatches).length);
    else await this.executor!.open(spec).catch(rethrow);
  }

  /** The sizes of the groups that so many micro-batches are computed in. */
  groups(microBatches: number): readonly number[] {
    return this.runnerOf(microBatches) ? groupSizes(microBatches) : [microBatches];
  }

  private runnerOf(microBatches: number): Runner | undefined {
    return microBatches > 1 || !this.executor ? this.pool : undefined;
  }

  /**
   * Leaves the sums of the micro-batches in the program's total.
   * @param among who computes them, if this process does not alone
   * @returns the losses, in order
   */
  async run(
    program: GradientProgram,
    part: Part,
    inputs: readonly TensorData[],
    among?: Among,
  ): Promise<readonly TensorData[]> {
    const sizes = this.groups(part.microBatches);
    const range = among ? shareOf(sizes.length, among) : { from: 0, to: sizes.length };
    const runner = this.runnerOf(part.microBatches);
    const { losses, sums } = runner
      ? await this.onWorkers(runner, program, part, inputs, range)
      : await this.onThisThread(program, part, inputs, range).catch(rethrow);
    if (!among) return losses;

    const ranges = Array.from({ length: among.size }, (_, rank) => shareOf(sizes.length, { ...among, rank }));
    const nodes = ranges.map((each) => nodesOf(sizes.length, each));
    const all = nodes.flat();
    await among.reduce(
      // Others may be sent memory that no worker sees alone.
      sums.map((sum) => (sum === program.total ? sum : sum.slice())),
      nodes.map(({ length }) => length),
      (vectors) =>
        sumOf(
          sizes.length,
          vectors.map((sum, i) => ({ ...all[i], sum })),
        ),
      program.total,
    );
    this.free.get(program.spec)?.push(...sums.filter((sum) => sum !== program.total).map(({ buffer }) => buffer));
    const each = program.spec.results.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
    const counts = ranges.map(({ from, to }) => each * sizes.slice(from, to).reduce((sum, size) => sum + size, 0));
    const mine = losses.flatMap((data) => [...data]);
    return [await among.gather(Float32Array.from(mine), counts)];
  }

  private async onThisThread(
    program: GradientProgram,
    { start, microBatches }: Part,
    inputs: readonly TensorData[],
    { from, to }: Node,
  ): Promise<Computed> {
    if (from === to) return { losses: [], sums: [] };
    const { spec, total } = program;
    await this.executor!.open(spec);
    const batch = rows(program, inputs, start, microBatches);
    const losses = await this.executor!.run({ kind: 'run', program: spec.id, batch, microBatches, sums: total.buffer });
    return { losses, sums: [total] };
  }

  private async onWorkers(
    pool: Runner,
    program: GradientProgram,
    { start, microBatches }: Part,
    inputs: readonly TensorData[],
    { from, to }: Node,
  ): Promise<Computed> {
    const { spec, microBatch, total } = program;
    const free = this.free.get(spec) ?? [];
    this.free.set(spec, free);
    const sizes = groupSizes(microBatches);
    const starts = sizes.map((_, i) => start + microBatch * sizes.slice(0, i).reduce((sum, size) => sum + size, 0));
    const groups = sizes.slice(from, to).map(async (count, i) => {
      const {
        results: [losses],
        sums,
      } = await pool.run(spec, () => {
        const batch = rows(program, inputs, starts[from + i], count).map((data) => data.slice());
        const memory = free.pop() ?? sharedMemory(total.byteLength);
        return { kind: 'run', program: spec.id, batch, microBatches: count, sums: memory };
      });
      return { losses, sums: sums! };
    });
    // Where one fails, the others are waited for, so that the next call finds the workers idle.
    const settled = Promise.allSettled(groups);
    const losses: TensorData[] = [];
    // Each sum lies where its first group's does, but the first, which is that of all where nobody else computes any.
    const sumUp = async (node: Node): Promise<Float32Array> => {
      const both = halves(node);
      if (both) {
        const left = await sumUp(both[0]);
        const right = await sumUp(both[1]);
        add(left, right);
        free.push(right.buffer);
        return left;
      }
      const group = await groups[node.from - from].catch(async (error: unknown) => {
        await settled;
        throw error;
      });
      losses.push(group.losses);
      const sum = new Float32Array(group.sums);
      if (node.from > from) return sum;
      total.set(sum);
      free.push(group.sums);
      return total;
    };
    const sums: Float32Array[] = [];
    for (const node of nodesOf(sizes.length, { from, to })) sums.push(await sumUp(node));
    return { losses, sums };
  }
}

const rethrow = (error: unknown): never => {
  throw new Error(`compileGradients: ${reasonOf(error)}`);
};
