import { registerGradients } from '@ddpm/gradients';
import * as tf from '@tensorflow/tfjs-core';
import type { DType, Target, TensorSpec, Value } from './graph';
import { Graph } from './graph';
import { fusions, lowerings } from './kernels';
import { composed } from './lower/composed';
import { missingKernel } from './missing-kernel';

const backendName = 'ddpm-trace';

/** The recording of a function: one at a time, since tfjs has one engine. */
interface Recording {
  readonly graph: Graph;
  /** Tensors that existed before, as they were captured. */
  readonly captured: WeakMap<object, Value>;
  /**
   * Variables that are inputs of the graph. By themselves, since several that were made of one tensor share its values
   * until they are assigned.
   */
  readonly variables: WeakMap<tf.TensorInfo, Value>;
  /** The function that reads them, in words, where there are any: it may capture no other trainable variable. */
  readonly reader?: string;
  /** Whether the function has created or assigned a variable. */
  assigned: boolean;
}
let recording: Recording | undefined;

interface Recorded {
  readonly value: Value;
  readonly by: Recording;
  references: number;
}

/** A backend whose tensors are values of a graph: running a kernel appends nodes. */
class TraceBackend extends tf.KernelBackend {
  private readonly recorded = new Map<object, Recorded>();

  record(value: Value): object {
    const dataId = {};
    this.recorded.set(dataId, { value, by: recording!, references: 1 });
    return dataId;
  }

  lookUp(tensor: tf.TensorInfo, kernel = ''): Value {
    const now = recording!;
    const known = this.recorded.get(tensor.dataId);
    if (known?.by === now) return now.graph.resolve(known.value);
    if (known)
      throw new Error(
        'compile: a tensor made while another function was traced is used here; keep no tensors from one call to the next',
      );
    const value = now.variables.get(tensor) ?? now.captured.get(tensor.dataId);
    if (value) return value;
    if (now.reader) refuseTrainable(now.reader, tensor, kernel);
    const constant = now.graph.constant(
      tf.engine().readSync(tensor.dataId) as Float32Array,
      tensor.shape,
      dtypeOf(tensor.dtype),
    );
    now.captured.set(tensor.dataId, constant);
    return constant;
  }

  holds({ dataId }: tf.TensorInfo): boolean {
    return this.recorded.has(dataId);
  }

  override write(values: tf.backend_util.BackendValues, shape: number[], dtype: tf.DataType): object {
    return this.record(recording!.graph.constant(values as Float32Array, shape, dtypeOf(dtype)));
  }

  override readSync(dataId: object): tf.backend_util.BackendValues {
    const value = this.recorded.get(dataId)?.value;
    const data = value?.node.data as Float32Array | Int32Array | Uint8Array | undefined;
    if (!value || !data) {
      throw new Error(
        'compile: the function reads a tensor (data, dataSync, array, print …) whose values are not known while it is traced; ' +
          'compute with tensor operations instead, or return the tensor and read it outside',
      );
    }
    const size = tf.util.sizeFromShape([...value.shape]);
    return data.length === size ? data.slice() : new (data.constructor as Float32ArrayConstructor)(size).fill(data[0]);
  }

  override read(dataId: object): Promise<tf.backend_util.BackendValues> {
    return Promise.resolve(this.readSync(dataId));
  }

  override disposeData(dataId: object): boolean {
    const recorded = this.recorded.get(dataId);
    if (recorded && --recorded.references > 0) return false;
    this.recorded.delete(dataId);
    return true;
  }

  /** Only variables take further references. */
  override incRef(dataId: object): void {
    const recorded = this.recorded.get(dataId);
    if (recorded) recorded.references++;
    if (recording) recording.assigned = true;
  }

  override refCount(): number {
    return 1;
  }

  override numDataIds(): number {
    return this.recorded.size;
  }

  override memory(): { unreliable: boolean } {
    return { unreliable: true };
  }

  override timerAvailable(): boolean {
    return false;
  }

  override floatPrecision(): 32 {
    return 32;
  }

  override dispose(): void {
    this.recorded.clear();
  }
}

function refuseTrainable(reader: string, tensor: tf.TensorInfo, kernel: string): void {
  const found = Object.values(tf.engine().registeredVariables).find((variable) => variable === tensor);
  if (!found?.trainable) return;
  const name = /^\d+$/.test(found.name) ? '' : `"${found.name}" `;
  throw new Error(
    `${reader} reads a trainable variable that is not among the parameters, ${name}[${found.shape.join(', ')}]${kernel && ` (in ${kernel})`}; ` +
      'add it to them (by a field of the network that namedParameters reaches), or keep it as it is by trainable = false',
  );
}

function dtypeOf(dtype: tf.DataType): DType {
  if (dtype === 'float32' || dtype === 'int32' || dtype === 'bool') return dtype;
  throw new TypeError(`compile: tensors of type ${dtype} are not supported, only float32, int32 and bool`);
}

let backend: TraceBackend | undefined;

/** Registers the backend and its kernels with tfjs, once; and gradients again, lest tfjs's own have come after them. */
function theBackend(): TraceBackend {
  registerGradients();
  if (backend && tf.findBackend(backendName) === backend) return backend;
  const created = new TraceBackend();
  tf.registerBackend(backendName, () => created, 0);
  for (const [kernelName, lower] of Object.entries(lowerings)) {
    if (tf.getKernel(kernelName, backendName)) continue;
    tf.registerKernel({
      kernelName,
      backendName,
      kernelFunc: ({ inputs, attrs }) => {
        const tracer = backend!;
        const list = Array.isArray(inputs);
        const values = Object.fromEntries(
          Object.entries(inputs as Record<string, tf.TensorInfo | undefined>)
            .filter(([, input]) => input)
            .map(([name, input]) => [name, tracer.lookUp(input!, kernelName)]),
        );
        const { graph } = recording!;
        const results = lower({ graph, inputs: values, all: list ? Object.values(values) : [], attrs: attrs ?? {} });
        const infos = (Array.isArray(results) ? results : [results]).map((value: Value) => ({
          dataId: tracer.record(value),
          shape: [...value.shape],
          dtype: value.dtype as tf.DataType,
        }));
        return Array.isArray(results) ? infos : infos[0];
      },
    });
  }
  for (const [kernelName, kernelFunc] of Object.entries(composed)) {
    if (!tf.getKernel(kernelName, backendName)) tf.registerKernel({ kernelName, backendName, kernelFunc });
  }
  backend = created;
  return created;
}

/** A tfjs function as a graph. */
export interface Trace {
  readonly graph: Graph;
  readonly inputs: Value[];
  readonly outputs: Value[];
}

export const specOf = (tensor: tf.Tensor, name: string): TensorSpec => ({
  name,
  shape: [...tensor.shape],
  dtype: dtypeOf(tensor.dtype),
});

/** Variables that become inputs of a graph. */
export interface ReadVariables {
  readonly variables: Iterable<readonly [name: string, variable: tf.Variable]>;
  /** The function that reads them, for an error's words. */
  readonly reader: string;
}

/**
 * Runs `body` once on tensors that stand for any values of the given shapes, and records what it computes.
 * Tensors and variables it captures become constants, but for those in `read`, which become inputs as well, after the
 * others. Where there are any, a trainable variable that is not among them is refused: it would never change.
 * @param body gets the stand-ins, returns the tensors that become outputs
 */
export function trace(
  body: (inputs: tf.Tensor[]) => tf.Tensor[],
  specs: readonly TensorSpec[],
  target: Target,
  read?: ReadVariables,
): Trace {
  if (recording) throw new Error('compile: a traced function must not compile another');
  const tracer = theBackend();
  const engine = tf.engine();
  tf.backend(); // Makes one where none has been chosen yet.
  const previous = tf.getBackend();
  const graph = new Graph(target, fusions);
  const { random } = Math;
  recording = { graph, captured: new WeakMap(), variables: new WeakMap(), reader: read?.reader, assigned: false };
  void tf.setBackend(backendName); // Takes effect at once: the backend is made synchronously.
  try {
    Math.random = () => {
      throw new Error(
        'compile: the function draws random numbers, which would be the same ones at every call; draw them outside and pass them in as an input',
      );
    };
    const inputs = specs.map(({ name, shape, dtype }) => graph.input(name, shape, dtype));
    for (const [name, variable] of read?.variables ?? []) {
      const value = graph.input(name, variable.shape, dtypeOf(variable.dtype));
      inputs.push(value);
      graph.weights.add(value);
      recording.variables.set(variable, value);
    }
    const outputs: Value[] = [];
    tf.tidy(() => {
      const standIns = specs.map(({ shape, dtype }, i) =>
        engine.makeTensorFromTensorInfo(
          { dataId: tracer.record(inputs[i]), shape: [...shape], dtype: dtype as tf.DataType },
          tracer,
        ),
      );
      const results = body(standIns);
      for (const result of results) {
        if (!(result instanceof tf.Tensor))
          throw new TypeError(`compile: the function must return tensors, got ${String(result)}`);
        outputs.push(tracer.lookUp(result));
      }
    });
    if (recording.assigned) {
      throw new Error(
        'compile: the function creates or assigns a tf.Variable; create variables outside, and return new values instead of assigning them',
      );
    }
    return { graph, inputs, outputs };
  } catch (error) {
    // What an interrupted gradient had saved for its backward pass is nobody's now.
    const { state } = engine as unknown as { state: { activeTape: { saved: tf.Tensor[] }[] | null } };
    for (const { saved } of state.activeTape ?? []) for (const tensor of saved) tensor.dispose();
    state.activeTape = null;
    // So are variables that it made.
    for (const variable of Object.values(engine.registeredVariables)) if (tracer.holds(variable)) variable.dispose();
    throw explained(error);
  } finally {
    recording = undefined;
    Math.random = random;
    void tf.setBackend(previous);
  }
}

const missing = new RegExp(`Kernel '(\\w+)' not registered for backend '${backendName}'`);

/** tfjs's own word for a kernel that is not there, in terms of what one can do about it. */
function explained(error: unknown): unknown {
  const kernel = error instanceof Error && missing.exec(error.message)?.[1];
  if (!kernel) return error;
  return new Error(missingKernel(kernel), { cause: error });
}
