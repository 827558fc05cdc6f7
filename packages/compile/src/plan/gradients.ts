import type { Shape, TensorSpec } from '../graph';
import type { Column, LossTrace } from '../trace-loss';
import { partition } from './partition';
import type { ProgramSpec } from './program';
import { modelInto, modelsOf, specsOf } from './program';

/** A training step for micro-batches of one size, as models: what runs for each, and what runs once for a batch. */
export interface GradientPlan {
  readonly spec: ProgramSpec;
  readonly microBatch: number;
  /** The columns of the losses; none where there is only their mean. */
  readonly columns: readonly Column[];
  /** The parts that the sums consist of, one after the other. */
  readonly parts: readonly { readonly name: string; readonly shape: Shape }[];
  /** Arranges parts as gradients, where that is needed. */
  readonly finish?: {
    readonly model: Uint8Array;
    readonly inputs: readonly string[];
    readonly outputs: readonly TensorSpec[];
  };
  /** By parameter that the loss depends on: the part, or the output of finish, that is its gradient. */
  readonly gradients: ReadonlyMap<string, string>;
}

/** @param weights in the order of the trace's inputs behind those of the batch */
export function planGradients(
  id: number,
  { traced, losses, columns, gradients: unsummed, names }: LossTrace,
  inputs: readonly TensorSpec[],
  weights: readonly TensorSpec[],
): GradientPlan {
  const batch = inputs.map(({ name }, i) => ({ name, value: traced.inputs[i] }));
  const ports = weights.map(({ name }, i) => ({ name, value: traced.inputs[inputs.length + i] }));
  const divided = partition(traced, batch, ports, losses, unsummed);
  const { finish, parts, gradients, sums } = divided;
  return {
    spec: {
      id,
      ...modelsOf(divided),
      optimization: 'disabled',
      batch: inputs,
      results: specsOf([{ name: 'losses', value: losses }]),
      sums,
    },
    microBatch: inputs[0].shape[0],
    columns,
    parts,
    finish:
      finish.outputs.length > 0
        ? {
            model: modelInto(finish.inputs, finish.outputs),
            inputs: finish.inputs.map(({ name }) => name),
            outputs: specsOf(finish.outputs),
          }
        : undefined,
    gradients: new Map(names.map((name, i) => [name, gradients[i]])),
  };
}
