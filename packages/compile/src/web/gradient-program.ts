import { sizeOf } from '../graph';
import type { CollectPlan, GradientPlan } from '../plan/gradients';
import type { ProgramSpec } from '../plan/program';
import type { TensorData } from '../run/data';
import type { Executor } from '../run/executor';
import type { Column } from '../trace-loss';

/**
 * A training step for micro-batches of one size. What runs once for a batch, which arranges the sums, runs where
 * programs run.
 */
export interface GradientProgram {
  readonly spec: ProgramSpec;
  readonly microBatch: number;
  /** The columns of the losses; none where there is only their mean. */
  readonly columns: readonly Column[];
  /** The sums of all groups. */
  readonly total: Float32Array;
  /** The parts that the sums consist of. */
  readonly parts: ReadonlyMap<string, Float32Array>;
  /** Arranges parts, where that is needed. */
  readonly finish?: { readonly spec: ProgramSpec; readonly executor: Executor };
  readonly gradients: ReadonlyMap<string, string>;
  /** Where sums stay on a device: not in pages. */
  readonly collect?: CollectPlan;
}

export function openProgram(
  { spec, microBatch, columns, parts, finish, gradients }: GradientPlan,
  executor: Executor,
): Promise<GradientProgram> {
  const total = new Float32Array(spec.sums.reduce((sum, shape) => sum + sizeOf(shape), 0));
  let offset = 0;
  const views = new Map(
    parts.map(({ name, shape }) => [name, total.subarray(offset, (offset += sizeOf(shape)))] as const),
  );
  const shapes = new Map(parts.map(({ name, shape }) => [name, shape]));
  return Promise.resolve({
    ...{ spec, microBatch, columns, gradients, total, parts: views },
    finish: finish && {
      executor,
      spec: {
        // Programs of micro-batches have the numbers of their sizes.
        id: -spec.id,
        main: finish.model,
        optimization: 'disabled',
        batch: finish.inputs.map((name) => ({ name, shape: shapes.get(name)!, dtype: 'float32' })),
        ...{ fixed: [], results: finish.outputs, sums: [] },
      },
    },
  });
}

/** Arranges the total of the sums as gradients, and adds them to those there already are. */
export async function finishGradients(
  { finish, parts, gradients }: GradientProgram,
  into: Map<string, Float32Array>,
): Promise<void> {
  const found = new Map<string, TensorData>(parts);
  if (finish) {
    const { executor, spec } = finish;
    await executor.open(spec);
    const batch = spec.batch.map(({ name }) => parts.get(name)!);
    const results = await executor.run({ kind: 'run', program: spec.id, batch, microBatches: 1 });
    for (const [i, { name }] of spec.results.entries()) found.set(name, results[i]);
  }
  for (const [name, from] of gradients) {
    const part = found.get(from) as Float32Array;
    const before = into.get(name);
    if (before) for (let k = 0; k < part.length; k++) before[k] += part[k];
    else into.set(name, part);
  }
}

/** The executor is closed by whoever started it. */
export const closeProgram = (): Promise<void> => Promise.resolve();
