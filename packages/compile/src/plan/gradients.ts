import type { Shape, TensorSpec } from '../graph';
import type { Column, LossTrace } from '../trace-loss';
import type { Port } from '../onnx';
import { writeModel } from '../onnx';
import { partition } from './partition';
import type { ProgramSpec } from './program';
import { modelInto, modelsOf, specsOf } from './program';
import type { Vector } from './vectors';
import { vectorIn } from './vectors';

/** Makes a graph: the sums → the gradients as vectors, `gradient0`, … */
export type CollectPlan = (vectors: readonly Vector[]) => readonly [inputs: readonly Port[], outputs: readonly Port[]];

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
  /** Where sums stay on a device. */
  readonly collect?: CollectPlan;
}

/**
 * @param weights in the order of the trace's inputs behind those of the batch
 * @param bound whether main's results are bound to memory of a device
 */
export function planGradients(
  id: number,
  { traced, losses, columns, gradients: unsummed, names }: LossTrace,
  inputs: readonly TensorSpec[],
  weights: readonly TensorSpec[],
  bound = false,
): GradientPlan {
  const batch = inputs.map(({ name }, i) => ({ name, value: traced.inputs[i] }));
  const ports = weights.map(({ name }, i) => ({ name, value: traced.inputs[inputs.length + i] }));
  const divided = partition(traced, batch, ports, losses, unsummed);
  const { finish, parts, gradients, sums, arranged, summed } = divided;
  return {
    spec: {
      id,
      ...modelsOf(divided, bound ? writeModel : modelInto),
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
    ...(bound && {
      collect: (vectors) => {
        const values = new Map(names.map((name, i) => [name, arranged[i]]));
        const { graph } = arranged[0];
        const outputs = vectors.map((vector, i) => ({ name: `gradient${i}`, value: vectorIn(graph, vector, values) }));
        return [summed, outputs];
      },
    }),
  };
}
