import type { Shape, TensorSpec } from '../graph';
import type { Port } from '../onnx';
import { writeModel } from '../onnx';
import type { Split } from './partition';

/** The prep and main graphs of one micro-batch size as models, ready for a worker to open. */
export interface ProgramSpec {
  /** Other than every other program's of the same owner. */
  readonly id: number;
  /** Absent where nothing that main needs has to be computed of weights first. */
  readonly prep?: {
    readonly model: Uint8Array;
    readonly inputs: readonly string[];
    readonly outputs: readonly TensorSpec[];
  };
  readonly main: Uint8Array;
  /**
   * How much ORT rewrites main: everything where constants can be worked into it, nothing where starting quickly
   * matters more.
   */
  readonly optimization: 'disabled' | 'all';
  /** The inputs that hold a micro-batch. */
  readonly batch: readonly TensorSpec[];
  /**
   * Main's inputs that stay the same for all micro-batches: a weight or output of prep each, in the shape that main
   * takes.
   */
  readonly fixed: readonly { readonly name: string; readonly source: string; readonly shape: Shape }[];
  /** Main's outputs of a micro-batch. */
  readonly results: readonly TensorSpec[];
  /** Shapes of the sums over the micro-batches, to which main adds: `sum0` → `total0`, … */
  readonly sums: readonly Shape[];
}

/** The name of the output that `runInto` gives up at. */
export const endMarker = 'end';

/** A model for `runInto`. */
export const modelInto = (inputs: readonly Port[], outputs: readonly Port[]): Uint8Array =>
  writeModel(inputs, outputs, { endMarker });

export const specsOf = (ports: readonly Port[]): TensorSpec[] =>
  ports.map(({ name, value: { shape, dtype } }) => ({ name, shape: [...shape], dtype }));

/**
 * The graphs as models, and how they fit together.
 * @param write `modelInto`, or `writeModel` where sessions bind their results themselves
 */
export const modelsOf = (
  { prep, main, fixed }: Split,
  write: typeof modelInto = modelInto,
): Pick<ProgramSpec, 'prep' | 'main' | 'fixed'> => ({
  prep:
    prep.outputs.length > 0
      ? {
          model: write(prep.inputs, prep.outputs),
          inputs: prep.inputs.map(({ name }) => name),
          outputs: specsOf(prep.outputs),
        }
      : undefined,
  main: write(main.inputs, main.outputs),
  fixed: fixed.map(({ name, source, value: { shape } }) => ({ name, source, shape: [...shape] })),
});
