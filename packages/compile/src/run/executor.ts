import type { InferenceSession, Tensor } from 'onnxruntime-node';
import type { TensorSpec } from '../graph';
import { sizeOf } from '../graph';
import { isShared } from './realm';
import { Memo } from './memo';
import type { ProgramSpec } from '../plan/program';
import type { RunRequest } from './protocol';
import type { TensorData } from './data';
import { dataAt, newData } from './data';
import type { SessionOptions, Tensors } from './ort';
import { openSession, runInto } from './ort';
import { newTensor, ortTensor, tensorsOf } from './session';
import type { WeightMemory } from './weights';

/** Runs programs on one thread, a worker's or the caller's own; ORT may use more within an operator. */
export interface Executor {
  /** Does nothing if the program is open already. */
  open(spec: ProgramSpec): Promise<void>;
  /** Runs main on each micro-batch, writes the sums over them where they are wanted, and returns its results. */
  run(request: RunRequest): Promise<TensorData[]>;
  close(): Promise<void>;
}

interface Opened {
  /** Without the models, which are large. */
  readonly batch: readonly TensorSpec[];
  readonly results: readonly TensorSpec[];
  readonly prep?: {
    readonly session: InferenceSession;
    readonly inputs: readonly string[];
    /** Its results: always the same tensors, since fresh memory takes longer to get than to fill. */
    readonly outputs: Tensors;
    /** The sum of the versions of the weights that it was run on. */
    version: number;
  };
  readonly main: InferenceSession;
  /** The running sums, one after the other. */
  readonly sums: Float32Array;
  /** Main's inputs but for the batch: views of weights, of what prep computes, and of the sums. */
  readonly feeds: Tensors;
  /** The new sums are written over the old: each is read and written element by element. */
  readonly fetches: Tensors;
}

export function createExecutor(
  { specs, values, versions }: WeightMemory,
  { threads, sleep, device }: Pick<SessionOptions, 'threads' | 'sleep' | 'device'>,
): Executor {
  const programs = new Memo<number, Opened>();
  // ORT takes no shared memory, so there is a copy of it here.
  const copy = isShared(values) ? new ArrayBuffer(values.byteLength) : values;
  const copied = versions.slice().fill(0);
  const weights = new Map(
    specs.map(({ name, shape, dtype, offset }) => [name, ortTensor(dataAt(copy, shape, dtype, offset), shape, dtype)]),
  );
  const indices = new Map(specs.map(({ name }, i) => [name, i]));

  /** Copies what has been written since. */
  const update = (): void => {
    if (copy === values) return;
    for (const [i, { shape, dtype, offset }] of specs.entries()) {
      if (copied[i] === versions[i]) continue;
      dataAt(copy, shape, dtype, offset).set(dataAt(values, shape, dtype, offset));
      copied[i] = versions[i];
    }
  };

  const prepare = async ({ prep }: Opened): Promise<void> => {
    if (!prep) return;
    const version = prep.inputs.reduce((sum, name) => sum + versions[indices.get(name)!], 0);
    if (prep.version === version) return;
    await runInto(
      prep.session,
      Object.fromEntries(prep.inputs.map((name) => [name, weights.get(name)!])),
      prep.outputs,
    );
    prep.version = version;
  };

  const openPrep = async ({ model, inputs, outputs }: NonNullable<ProgramSpec['prep']>): Promise<Opened['prep']> => ({
    session: await openSession(model, { threads, sleep, optimization: 'disabled' }),
    inputs,
    outputs: Object.fromEntries(outputs.map(({ name, shape, dtype }) => [name, newTensor(shape, dtype)])),
    version: -1,
  });

  const open = async (spec: ProgramSpec): Promise<Opened> => {
    const prep = spec.prep && (await openPrep(spec.prep));
    const feeds = Object.fromEntries(
      spec.fixed.map(({ name, source, shape }) => [
        name,
        (prep?.outputs[source] ?? weights.get(source)!).reshape(shape),
      ]),
    );
    const fetches: Record<string, Tensor> = {};
    const sums = new Float32Array(spec.sums.reduce((total, shape) => total + sizeOf(shape), 0));
    for (const [i, tensor] of tensorsOf(sums, spec.sums).entries()) feeds[`sum${i}`] = fetches[`total${i}`] = tensor;
    const main = await openSession(spec.main, { threads, sleep, device, optimization: spec.optimization });
    return { batch: spec.batch, results: spec.results, prep, main, sums, feeds, fetches };
  };

  return {
    async open(spec) {
      await programs.get(spec.id, () => open(spec));
    },

    async run({ program: id, batch, microBatches, sums: destination }) {
      const program = await programs.get(id, () => {
        throw new Error(`program ${id} has not been opened`);
      });
      update();
      await prepare(program);
      const { main, sums } = program;
      sums.fill(0);
      const results = program.results.map(({ shape, dtype }) => newData(microBatches * sizeOf(shape), dtype));
      const feeds: Record<string, Tensor> = { ...program.feeds };
      const fetches: Record<string, Tensor> = { ...program.fetches };
      for (let k = 0; k < microBatches; k++) {
        const part = (data: TensorData, size: number) => data.subarray(k * size, (k + 1) * size);
        for (const [i, { name, shape, dtype }] of program.batch.entries())
          feeds[name] = ortTensor(part(batch[i], sizeOf(shape)), shape, dtype);
        for (const [i, { name, shape, dtype }] of program.results.entries())
          fetches[name] = ortTensor(part(results[i], sizeOf(shape)), shape, dtype);
        await runInto(main, feeds, fetches);
      }
      if (destination) new Float32Array(destination).set(sums);
      return results;
    },

    close: () =>
      programs.close(async ({ prep, main }) => {
        await prep?.session.release();
        await main.release();
      }),
  };
}
