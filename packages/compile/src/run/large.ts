import type { Tensor } from 'onnxruntime-node';
import type * as tf from '@tensorflow/tfjs-core';
import { reachable, sizeOf } from '../graph';
import type { Split } from '../plan/partition';
import type { ProgramSpec } from '../plan/program';
import { modelInto, modelsOf, specsOf } from '../plan/program';
import type { TensorData } from './data';
import { asData, newData } from './data';
import { Memo } from './memo';
import type { SessionOptions, Tensors } from './ort';
import { openSession, runInto } from './ort';
import { newTensor, ortTensor } from './session';
import type { WeightSpec } from './weights';

/**
 * Weights of more bytes than so many are not all read at once: each is when it is its turn, and only what main takes of it
 * stays.
 */
export const MANY_BYTES = 2 ** 28;

/** Some of main's fixed inputs, and the weights that they are computed from, which no other part needs. */
interface Part {
  readonly model: Uint8Array;
  readonly inputs: readonly string[];
  readonly outputs: ReturnType<typeof specsOf>;
}

/** Prep, cut into parts that have no weight in common. */
export function partsOf({ prep }: Split): Part[] {
  const names = new Map(prep.inputs.map(({ name, value }) => [value.node, name]));
  const groups: { inputs: Set<string>; outputs: Split['prep']['outputs'] }[] = [];
  for (const output of prep.outputs) {
    const inputs = new Set(reachable([output.value]).flatMap((node) => names.get(node) ?? []));
    const joined = groups.filter((group) => [...inputs].some((name) => group.inputs.has(name)));
    for (const group of joined) groups.splice(groups.indexOf(group), 1);
    groups.push({
      inputs: new Set([...inputs, ...joined.flatMap((group) => [...group.inputs])]),
      outputs: [...joined.flatMap((group) => group.outputs), output],
    });
  }
  return groups.map(({ inputs, outputs }) => ({
    model: modelInto(
      prep.inputs.filter(({ name }) => inputs.has(name)),
      outputs,
    ),
    inputs: [...inputs],
    outputs: specsOf(outputs),
  }));
}

/** A graph for whole inputs, with weights that are read one after the other. */
export interface LargeProgram extends Pick<ProgramSpec, 'id' | 'main' | 'batch' | 'results' | 'fixed'> {
  readonly parts: readonly Part[];
}

export const largeProgram = (
  divided: Split,
  { id, batch, results }: Pick<ProgramSpec, 'id' | 'batch' | 'results'>,
): LargeProgram => {
  const { main, fixed } = modelsOf({ ...divided, prep: { inputs: [], outputs: [] } });
  return { id, main, fixed, batch, results, parts: partsOf(divided) };
};

/** Runs such programs. A weight's value is that of when it is read, which it is if its variable has been assigned. */
export class LargeExecutor {
  private readonly mains = new Memo<number, Awaited<ReturnType<typeof openSession>>>();
  private readonly variables: ReadonlyMap<string, tf.Variable>;
  private readonly specs: ReadonlyMap<string, WeightSpec>;
  /** Weights that main takes as they are, by name, and the variable's dataId when each was read. */
  private readonly held = new Map<string, { readonly tensor: Tensor; readonly dataId: object }>();
  /** Prepared weights of the program that ran last: a second one's would be as large. */
  private prepared: { id: number; parts: Map<Part, { outputs: Tensors; dataIds: readonly object[] }> } = {
    id: -1,
    parts: new Map(),
  };

  /** @param variables in the order of the specs */
  constructor(
    private readonly who: string,
    variables: readonly tf.Variable[],
    specs: readonly WeightSpec[],
    private readonly options: Pick<SessionOptions, 'threads'>,
  ) {
    this.variables = new Map(specs.map(({ name }, i) => [name, variables[i]]));
    this.specs = new Map(specs.map((spec) => [spec.name, spec]));
  }

  /** Its results, for so large a batch as the program is made for. */
  async run(program: LargeProgram, batch: readonly TensorData[]): Promise<TensorData[]> {
    for (const [name, { isDisposed }] of this.variables)
      if (isDisposed) throw new Error(`${this.who}: variable ${name.replace(/^parameter:/, '')} has been disposed`);
    const fixed = await this.prepare(program);
    const main = await this.mains.get(program.id, () =>
      openSession(program.main, { ...this.options, optimization: 'all', frugal: true }),
    );
    const feeds: Record<string, Tensor> = {};
    for (const { name, source, shape } of program.fixed) feeds[name] = fixed.get(source)!.reshape(shape);
    for (const [i, { name, shape, dtype }] of program.batch.entries()) feeds[name] = ortTensor(batch[i], shape, dtype);
    const results = program.results.map(({ shape, dtype }) => newData(sizeOf(shape), dtype));
    const fetches = Object.fromEntries(
      program.results.map(({ name, shape, dtype }, i) => [name, ortTensor(results[i], shape, dtype)]),
    );
    await runInto(main, feeds, fetches);
    return results;
  }

  async close(): Promise<void> {
    this.held.clear();
    this.prepared = { id: -1, parts: new Map() };
    await this.mains.close((main) => main.release());
  }

  /** The weights that main takes, by source. */
  private async prepare({ id, parts, fixed }: LargeProgram): Promise<Map<string, Tensor>> {
    if (this.prepared.id !== id) this.prepared = { id, parts: new Map() };
    const sources = new Map<string, Tensor>();
    for (const part of parts) {
      const dataIds = part.inputs.map((name) => this.variables.get(name)!.dataId);
      let known = this.prepared.parts.get(part);
      if (!known || known.dataIds.some((dataId, i) => dataId !== dataIds[i])) {
        const outputs =
          known?.outputs ??
          Object.fromEntries(part.outputs.map((spec) => [spec.name, newTensor(spec.shape, spec.dtype)]));
        await this.compute(part, outputs);
        this.prepared.parts.set(part, (known = { outputs, dataIds }));
      }
      for (const [name, tensor] of Object.entries(known.outputs)) sources.set(name, tensor);
    }
    for (const { source } of fixed) if (this.specs.has(source)) sources.set(source, await this.weight(source));
    return sources;
  }

  /** A part's session lives no longer than it takes. */
  private async compute({ model, inputs }: Part, outputs: Tensors): Promise<void> {
    const session = await openSession(model, { ...this.options, optimization: 'disabled' });
    try {
      const feeds: Record<string, Tensor> = {};
      for (const name of inputs) feeds[name] = await this.read(name);
      await runInto(session, feeds, outputs);
    } finally {
      await session.release();
    }
  }

  private async weight(name: string): Promise<Tensor> {
    const { dataId } = this.variables.get(name)!;
    let known = this.held.get(name);
    if (known?.dataId !== dataId) this.held.set(name, (known = { tensor: await this.read(name), dataId }));
    return known.tensor;
  }

  private async read(name: string): Promise<Tensor> {
    const [variable, { shape, dtype }] = [this.variables.get(name)!, this.specs.get(name)!];
    return ortTensor(asData(await variable.data(), dtype), shape, dtype);
  }
}
