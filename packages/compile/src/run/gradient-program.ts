import type * as ort from 'onnxruntime-node';
import { sizeOf } from '../graph';
import type { CollectPlan, GradientPlan } from '../plan/gradients';
import type { ProgramSpec } from '../plan/program';
import type { Executor } from './executor';
import type { Column } from '../trace-loss';
import type { Tensors } from './ort';
import { openSession, runInto } from './ort';
import { dataOf, newTensor, tensorsOf } from './session';

/** A training step for micro-batches of one size: what runs for each, and what runs once for a batch, opened. */
export interface GradientProgram {
  readonly spec: ProgramSpec;
  readonly microBatch: number;
  /** The columns of the losses; none where there is only their mean. */
  readonly columns: readonly Column[];
  /** The sums of all groups. */
  readonly total: Float32Array;
  /** Arranges the total, where that is needed: always the same tensors. */
  readonly finish?: { readonly session: ort.InferenceSession; readonly feeds: Tensors; readonly fetches: Tensors };
  /** Of the parameters that the loss depends on: parts of the total, or what finish computes. */
  readonly gradients: ReadonlyMap<string, Float32Array>;
  /** Where sums stay on a device. */
  readonly collect?: CollectPlan;
}

/** Opens what runs once for a batch, on the caller's thread; prep and main are for an executor to open. */
export async function openProgram(
  { spec, microBatch, columns, parts, finish, gradients, collect }: GradientPlan,
  _executor: Executor,
): Promise<GradientProgram> {
  const size = spec.sums.reduce((sum, shape) => sum + sizeOf(shape), 0);
  const total = new Float32Array(size);
  const tensors: Record<string, ort.Tensor> = {};
  const shapes = parts.map(({ shape }) => shape);
  for (const [i, tensor] of tensorsOf(total, shapes).entries()) tensors[parts[i].name] = tensor;
  for (const { name, shape, dtype } of finish?.outputs ?? []) tensors[name] = newTensor(shape, dtype);
  const pick = (names: readonly string[]): Tensors => Object.fromEntries(names.map((name) => [name, tensors[name]]));
  const open = (model: Uint8Array) => openSession(model, { threads: 1, optimization: 'disabled' });
  return {
    spec,
    microBatch,
    columns,
    collect,
    total,
    finish: finish && {
      session: await open(finish.model),
      feeds: pick(finish.inputs),
      fetches: pick(finish.outputs.map(({ name }) => name)),
    },
    gradients: new Map([...gradients].map(([name, from]) => [name, dataOf(tensors[from]) as Float32Array])),
  };
}

/** Arranges the total of the sums as gradients, and adds them to those there already are. */
export async function finishGradients(
  { finish, gradients }: GradientProgram,
  into: Map<string, Float32Array>,
): Promise<void> {
  if (finish) await runInto(finish.session, finish.feeds, finish.fetches);
  for (const [name, part] of gradients) {
    const before = into.get(name);
    if (before) for (let k = 0; k < part.length; k++) before[k] += part[k];
    else into.set(name, part);
  }
}

export async function closeProgram({ finish }: GradientProgram): Promise<void> {
  await finish?.session.release();
}
