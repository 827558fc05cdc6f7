import type * as ort from 'onnxruntime-node';
import { sizeOf } from './graph';
import type { GroupRequest, ProgramSpec, Sums, WorkerData } from './protocol';
import { newTensor, openSession, ortTensor } from './session';

/** Runs programs on one thread: a worker's, or, where there is nothing to share out, the caller's own. */
export interface Executor {
  open(spec: ProgramSpec): Promise<void>;
  /** Losses and summed gradients over a group's micro-batches. */
  sum(request: GroupRequest): Promise<Sums>;
  close(): Promise<void>;
}

interface Opened {
  readonly spec: ProgramSpec;
  readonly prep?: ort.InferenceSession;
  /** What prep computes: always the same tensors, since fresh memory takes longer to get than to fill. */
  readonly prepared: Readonly<Record<string, ort.Tensor>>;
  readonly main: ort.InferenceSession;
  /** Main's inputs that stay the same: views of parameters and of what prep computes. */
  readonly fixed: Readonly<Record<string, ort.Tensor>>;
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
    await prep?.run(pick(spec.prep!.inputs), prepared);
    program.step = step;
  };

  return {
    async open(spec) {
      const prep = spec.prep && (await openSession(spec.prep.model, options));
      const prepared: Record<string, ort.Tensor> = {};
      for (const { name, shape, dtype } of spec.prep?.outputs ?? []) prepared[name] = newTensor(shape, dtype);
      const fixed = Object.fromEntries(
        spec.fixed.map(({ name, source, shape }) => [name, (prepared[source] ?? tensors[source]).reshape(shape)]),
      );
      programs.set(spec.id, { spec, prep, prepared, main: await openSession(spec.main, options), fixed, step: -1 });
    },

    async sum({ program: id, step, batch, microBatches, buffer }) {
      const program = programs.get(id)!;
      await prepare(program, step);
      const { spec, main, fixed } = program;
      const sizes = spec.sums.map(sizeOf);
      const sums = new Float32Array(buffer ?? new ArrayBuffer(4 * sizes.reduce((total, size) => total + size, 0)));
      if (buffer) sums.fill(0);
      const count = spec.perExample ? spec.batch[0].shape[0] : 1;
      const losses = new Float32Array(microBatches * count);

      const feeds = { ...fixed };
      const fetches: Record<string, ort.Tensor> = {};
      let offset = 0;
      for (const [i, shape] of spec.sums.entries()) {
        // The new sums are written over the old: each is read and written element by element.
        feeds[`sum${i}`] = fetches[`total${i}`] = ortTensor(sums.subarray(offset, offset + sizes[i]), shape, 'float32');
        offset += sizes[i];
      }
      for (let k = 0; k < microBatches; k++) {
        for (const [i, { name, shape, dtype }] of spec.batch.entries()) {
          const size = sizeOf(shape);
          feeds[name] = ortTensor(batch[i].subarray(k * size, (k + 1) * size), shape, dtype);
        }
        const loss = ortTensor(losses.subarray(k * count, (k + 1) * count), spec.perExample ? [count] : [], 'float32');
        await main.run(feeds, { ...fetches, loss });
      }
      return { sums, losses };
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
  const message = (error instanceof Error ? error.message : String(error)).replaceAll('\n', ' ').trim();
  const outOfMemory = /Failed to allocate|bad_alloc|Array buffer allocation failed/.test(message);
  return outOfMemory ? `out of memory; take a smaller microBatch or fewer workers (${message})` : message;
}
