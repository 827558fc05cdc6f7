import type * as ort from 'onnxruntime-node';
import { sizeOf } from './graph';
import { messageOf } from './host';
import type { GroupRequest, ProgramSpec, WorkerData } from './protocol';
import type { Tensors } from './session';
import { newTensor, openSession, ortTensor, runInto, tensorsOf } from './session';

/** Runs programs on one thread: a worker's, or, where there is nothing to share out, the caller's own. */
export interface Executor {
  open(spec: ProgramSpec): Promise<void>;
  /** Writes the sums of gradients over a group's micro-batches where they are wanted, and returns the losses. */
  sum(request: GroupRequest): Promise<Float32Array<ArrayBuffer>>;
  close(): Promise<void>;
}

interface Opened {
  readonly spec: ProgramSpec;
  readonly prep?: ort.InferenceSession;
  /** What prep computes: always the same tensors, since fresh memory takes longer to get than to fill. */
  readonly prepared: Tensors;
  readonly main: ort.InferenceSession;
  /** The running sums, one after the other. */
  readonly sums: Float32Array;
  /** Main's inputs but for the batch: views of parameters, of what prep computes, and of the sums. */
  readonly feeds: Tensors;
  /** The new sums are written over the old: each is read and written element by element. */
  readonly fetches: Tensors;
  step: number;
}

const options = { threads: 1, optimization: 'disabled' } as const;

export function createExecutor({ parameters, shared }: WorkerData): Executor {
  const programs = new Map<number, Opened>();
  // ORT takes no shared memory, so every executor has a copy.
  const copy = new Float32Array(shared.byteLength / 4);
  let copiedStep = -1;
  const tensors = Object.fromEntries(
    parameters.map(({ name, shape, offset, size }) => [name, ortTensor(copy.subarray(offset, offset + size), shape, 'float32')]),
  );
  const pick = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, tensors[name]]));

  const prepare = async (program: Opened, step: number): Promise<void> => {
    if (copiedStep !== step) {
      copy.set(new Float32Array(shared));
      copiedStep = step;
    }
    if (program.step === step) return;
    const { spec, prep, prepared } = program;
    if (prep) await runInto(prep, pick(spec.prep!.inputs), prepared);
    program.step = step;
  };

  return {
    async open(spec) {
      const prep = spec.prep && (await openSession(spec.prep.model, options));
      const prepared: Record<string, ort.Tensor> = {};
      for (const { name, shape, dtype } of spec.prep?.outputs ?? []) prepared[name] = newTensor(shape, dtype);
      const feeds = Object.fromEntries(
        spec.fixed.map(({ name, source, shape }) => [name, (prepared[source] ?? tensors[source]).reshape(shape)]),
      );
      const fetches: Record<string, ort.Tensor> = {};
      const sums = new Float32Array(spec.sums.reduce((total, shape) => total + sizeOf(shape), 0));
      for (const [i, tensor] of tensorsOf(sums, spec.sums).entries()) feeds[`sum${i}`] = fetches[`total${i}`] = tensor;
      programs.set(spec.id, { spec, prep, prepared, main: await openSession(spec.main, options), sums, feeds, fetches, step: -1 });
    },

    async sum({ program: id, step, batch, microBatches, sums: destination }) {
      const program = programs.get(id)!;
      await prepare(program, step);
      const { spec, main, sums, fetches } = program;
      sums.fill(0);
      const count = spec.perExample ? spec.batch[0].shape[0] : 1;
      const losses = new Float32Array(microBatches * count);

      const feeds = { ...program.feeds };
      for (let k = 0; k < microBatches; k++) {
        for (const [i, { name, shape, dtype }] of spec.batch.entries()) {
          const size = sizeOf(shape);
          feeds[name] = ortTensor(batch[i].subarray(k * size, (k + 1) * size), shape, dtype);
        }
        const loss = ortTensor(losses.subarray(k * count, (k + 1) * count), spec.perExample ? [count] : [], 'float32');
        await runInto(main, feeds, { ...fetches, loss });
      }
      new Float32Array(destination).set(sums);
      return losses;
    },

    async close() {
      const sessions = [...programs.values()].flatMap(({ prep, main }) => [prep, main]);
      programs.clear();
      for (const session of sessions) await session?.release();
    },
  };
}

/** What went wrong, as one line. */
export function reasonOf(error: unknown): string {
  const message = messageOf(error).replaceAll('\n', ' ').trim();
  const outOfMemory = /Failed to allocate|bad_alloc|Array buffer allocation failed/.test(message);
  return outOfMemory ? `out of memory; take a smaller microBatch or fewer workers (${message})` : message;
}
