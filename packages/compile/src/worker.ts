import { parentPort, workerData } from 'node:worker_threads';
import type * as ort from 'onnxruntime-node';
import { sizeOf } from './graph';
import type { GroupRequest, ProgramSpec, Reply, Request, WorkerData } from './protocol';
import { newTensor, openSession, ortTensor } from './session';

/* A worker: opens programs, and sums gradients over the micro-batches that it is given. One request at a time. */

const { parameters, shared } = workerData as WorkerData;
const port = parentPort!;

interface Program {
  readonly spec: ProgramSpec;
  readonly prep?: ort.InferenceSession;
  /** What prep computes: always the same tensors, since fresh memory takes longer to get than to fill. */
  readonly prepared: Readonly<Record<string, ort.Tensor>>;
  readonly main: ort.InferenceSession;
  step: number;
}

const programs = new Map<number, Program>();
const options = { threads: 1, optimization: 'disabled' } as const;

// ORT takes no shared memory, so every worker has a copy.
const copy = new Float32Array(shared.byteLength / 4);
const parameterTensors: Record<string, ort.Tensor> = {};
for (const { name, shape, offset, size } of parameters)
  parameterTensors[name] = ortTensor(copy.subarray(offset, offset + size), shape, 'float32');
let copiedStep = -1;

async function open(spec: ProgramSpec): Promise<void> {
  const prep = spec.prep && (await openSession(spec.prep.model, options));
  const prepared: Record<string, ort.Tensor> = {};
  for (const { name, shape, dtype } of spec.prep?.outputs ?? []) prepared[name] = newTensor(shape, dtype);
  programs.set(spec.id, { spec, prep, prepared, main: await openSession(spec.main, options), step: -1 });
}

const pick = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, parameterTensors[name]]));

async function prepare(program: Program, step: number): Promise<void> {
  if (copiedStep !== step) {
    copy.set(new Float32Array(shared));
    copiedStep = step;
  }
  if (program.step === step) return;
  const { spec, prep, prepared } = program;
  await prep?.run(pick(spec.prep!.inputs), prepared);
  program.step = step;
}

async function group({
  program: id,
  step,
  batch,
  microBatches,
  buffer,
}: GroupRequest): Promise<{ sums: Float32Array<ArrayBuffer>; losses: Float32Array<ArrayBuffer> }> {
  const program = programs.get(id)!;
  await prepare(program, step);
  const { spec, main, prepared } = program;
  const sizes = spec.sums.map(sizeOf);
  const sums = new Float32Array(buffer ?? new ArrayBuffer(4 * sizes.reduce((total, size) => total + size, 0)));
  if (buffer) sums.fill(0);
  const count = spec.perExample ? spec.batch[0].shape[0] : 1;
  const losses = new Float32Array(microBatches * count);

  const feeds = { ...pick(spec.direct), ...prepared };
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
    const result = ortTensor(losses.subarray(k * count, (k + 1) * count), spec.perExample ? [count] : [], 'float32');
    await main.run(feeds, { ...fetches, loss: result });
  }
  return { sums, losses };
}

async function answer(request: Request): Promise<void> {
  const reply = (message: Reply, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);
  try {
    if (request.kind === 'open') {
      await open(request.program);
      reply({ kind: 'opened' });
    } else {
      const { sums, losses } = await group(request);
      reply({ kind: 'sums', sums, losses }, [sums.buffer, losses.buffer]);
    }
  } catch (error) {
    const message = (error instanceof Error ? error.message : String(error)).replaceAll('\n', ' ').trim();
    const outOfMemory = /Failed to allocate|bad_alloc|Array buffer allocation failed/.test(message);
    reply({
      kind: 'error',
      message: outOfMemory ? `a worker ran out of memory; take a smaller microBatch or fewer workers (${message})` : message,
    });
  }
}

port.on('message', (request: Request) => void answer(request));
