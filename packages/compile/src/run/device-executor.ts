import type { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Shape, TensorSpec } from '../graph';
import { sizeOf } from '../graph';
import type { ProgramSpec } from '../plan/program';
import type { Copying } from './bound';
import { disposeAll, inShape, openBound, openCopying } from './bound';
import type { TensorData } from './data';
import { dataAt, newData } from './data';
import type { Executor } from './executor';
import { Memo } from './memo';
import type { RunRequest } from './protocol';
import type { Tensors } from './ort';
import { dataOf, newTensor, ortTensor } from './session';
import type { WeightMemory } from './weights';

/**
 * Runs programs on WebGPU. Weights are sent there when they have been written, and sums stay there from one micro-batch
 * to the next.
 */
export interface DeviceExecutor extends Executor {
  /**
   * Runs main on each micro-batch.
   * @param own weights that are on the device already, and are taken instead of those that have been written
   * @returns main's results, and the sums, on the device and the caller's
   */
  accumulate(
    request: Omit<RunRequest, 'kind' | 'sums'>,
    own?: Tensors,
  ): Promise<{ readonly results: TensorData[]; readonly sums: readonly Tensor[] }>;
}

interface Opened {
  readonly spec: Pick<ProgramSpec, 'batch' | 'results' | 'fixed' | 'sums'>;
  readonly prep?: {
    readonly session: InferenceSession;
    readonly inputs: readonly string[];
    /** Its results on the device, and the sum of the versions of the weights that they are of. */
    last?: { readonly tensors: Tensors; readonly version: number };
  };
  readonly main: InferenceSession;
  /** Zeros, which sums begin with, on the device. */
  readonly zeros: readonly Tensor[];
  /** Copies sums from the device. */
  readonly download?: Copying;
}

/** @param memory not shared with workers */
export function createDeviceExecutor({ specs, values, versions }: WeightMemory): DeviceExecutor {
  const programs = new Memo<number, Opened>();
  const uploads = new Memo<string, Copying>();
  /** Weights on the device, and which versions. */
  const held = new Map<string, { readonly tensor: Tensor; readonly version: number }>();
  const indices = new Map(specs.map(({ name }, i) => [name, i]));

  /** Sends those weights that have been written since, in one run. */
  const send = async (names: readonly string[]): Promise<void> => {
    const stale = names.filter((name) => held.get(name)?.version !== versions[indices.get(name)!]);
    if (stale.length === 0) return;
    const those = stale.map((name) => specs[indices.get(name)!]);
    const upload = await uploads.get(stale.join('\n'), () => openCopying(those, 'gpu-buffer'));
    const tensors = await upload(
      those.map(({ shape, dtype, offset }) => ortTensor(dataAt(values, shape, dtype, offset), shape, dtype)),
    );
    for (const [i, name] of stale.entries()) {
      held.get(name)?.tensor.dispose();
      held.set(name, { tensor: tensors[i], version: versions[indices.get(name)!] });
    }
  };

  /** Main's inputs besides the batch and the sums, by source. */
  const prepare = async ({ spec, prep }: Opened, own: Tensors): Promise<Tensors> => {
    const used = [...spec.fixed.map(({ source }) => source), ...(prep?.inputs ?? [])];
    const names = [...new Set(used)].filter((name) => indices.has(name) && !(name in own));
    await send(names);
    const weights: Record<string, Tensor> = { ...own };
    for (const name of names) weights[name] = held.get(name)!.tensor;
    if (!prep) return weights;
    // Those on the device have no versions.
    const version = prep.inputs.reduce((sum, name) => (name in own ? NaN : sum + versions[indices.get(name)!]), 0);
    if (prep.last?.version !== version) {
      const tensors = await prep.session.run(Object.fromEntries(prep.inputs.map((name) => [name, weights[name]])));
      disposeAll(Object.values(prep.last?.tensors ?? {}));
      prep.last = { tensors, version };
    }
    return { ...weights, ...prep.last.tensors };
  };

  const zerosOn = async (shapes: readonly Shape[]): Promise<Tensor[]> => {
    if (shapes.length === 0) return [];
    const upload = await uploads.get(`zeros ${shapes.join('|')}`, () => openCopying(floats(shapes), 'gpu-buffer'));
    return upload(shapes.map((shape) => newTensor(shape, 'float32')));
  };

  const open = async ({ prep, main, optimization, batch, results, fixed, sums }: ProgramSpec): Promise<Opened> => {
    const there = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, 'gpu-buffer' as const]));
    const prepSession = prep && (await openBound(prep.model, there(prep.outputs.map(({ name }) => name))));
    const locations = {
      ...Object.fromEntries(results.map(({ name }) => [name, 'cpu' as const])),
      ...there(sums.map((_, i) => `total${i}`)),
    };
    const mainSession = await openBound(main, locations, optimization);
    return {
      spec: { batch, results, fixed, sums },
      prep: prep && { session: prepSession!, inputs: prep.inputs },
      main: mainSession,
      zeros: await zerosOn(sums),
      download: sums.length > 0 ? await openCopying(floats(sums), 'cpu') : undefined,
    };
  };

  const accumulate: DeviceExecutor['accumulate'] = async ({ program: id, batch, microBatches }, own = {}) => {
    const program = await programs.get(id, () => {
      throw new Error(`program ${id} has not been opened`);
    });
    const { spec, main, zeros } = program;
    const sources = await prepare(program, own);
    const feeds: Record<string, Tensor> = {};
    for (const { name, source, shape } of spec.fixed) feeds[name] = inShape(sources[source], shape);
    const results = spec.results.map(({ shape, dtype }) => newData(microBatches * sizeOf(shape), dtype));
    let sums = zeros;
    for (let k = 0; k < microBatches; k++) {
      for (const [i, { name, shape, dtype }] of spec.batch.entries()) {
        const size = sizeOf(shape);
        feeds[name] = ortTensor(batch[i].subarray(k * size, (k + 1) * size), shape, dtype);
      }
      for (const [i, sum] of sums.entries()) feeds[`sum${i}`] = sum;
      const found = await main.run(feeds);
      if (sums !== zeros) disposeAll(sums);
      sums = spec.sums.map((_, i) => found[`total${i}`]);
      for (const [i, { name, shape }] of spec.results.entries()) results[i].set(dataOf(found[name]), k * sizeOf(shape));
    }
    return { results, sums };
  };

  return {
    async open(spec) {
      await programs.get(spec.id, () => open(spec));
    },
    accumulate,
    async run({ sums: destination, ...request }) {
      const { results, sums } = await accumulate(request);
      if (destination) {
        const { download } = await programs.get(request.program, () => Promise.reject(new Error('closed')));
        const all = new Float32Array(destination);
        let offset = 0;
        for (const tensor of download ? await download(sums) : []) {
          const data = dataOf(tensor);
          all.set(data, offset);
          offset += data.length;
        }
      }
      disposeAll(sums);
      return results;
    },
    // The memory before the sessions that it belongs to.
    async close() {
      disposeAll([...held.values()].map(({ tensor }) => tensor));
      held.clear();
      await programs.close(async ({ prep, main, zeros, download }) => {
        disposeAll([...zeros, ...Object.values(prep?.last?.tensors ?? {})]);
        await prep?.session.release();
        await main.release();
        await download?.release();
      });
      await uploads.close((upload) => upload.release());
    },
  };
}

const floats = (shapes: readonly Shape[]): Pick<TensorSpec, 'shape' | 'dtype'>[] =>
  shapes.map((shape) => ({ shape, dtype: 'float32' }));
