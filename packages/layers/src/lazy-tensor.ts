import * as tf from '@tensorflow/tfjs-core';

interface Lazy {
  readonly read: () => Float32Array;
  references: number;
}

/**
 * Where tensors are that nothing has asked for yet. tfjs moves a tensor by itself from the backend that has it to the one
 * whose kernel needs it; from this one it is read then.
 */
class LazyBackend extends tf.KernelBackend {
  private readonly tensors = new Map<object, Lazy>();

  add(read: () => Float32Array): object {
    const dataId = {};
    this.tensors.set(dataId, { read, references: 1 });
    return dataId;
  }

  override readSync(dataId: object): Float32Array {
    return this.tensors.get(dataId)!.read();
  }

  override read(dataId: object): Promise<Float32Array> {
    return Promise.resolve().then(() => this.readSync(dataId));
  }

  override incRef(dataId: object): void {
    this.tensors.get(dataId)!.references++;
  }

  override refCount(dataId: object): number {
    return this.tensors.get(dataId)?.references ?? 0;
  }

  override disposeData(dataId: object, force = false): boolean {
    const tensor = this.tensors.get(dataId);
    if (tensor && --tensor.references > 0 && !force) return false;
    this.tensors.delete(dataId);
    return true;
  }

  override numDataIds(): number {
    return this.tensors.size;
  }
}

const backend = new LazyBackend();

/**
 * Gives a variable values that are read when they are asked for: by `data`, each time, or by the first kernel of an eager
 * backend that needs them, which then has them. So a network may be larger than what fits in memory at a time.
 * @param read gives its row-major values, float32, the same at each call
 */
export function assignLazily(variable: tf.Variable, read: () => Float32Array): void {
  // As `variable.assign` does, which would have the active backend read them.
  const engine = tf.engine();
  engine.disposeTensor(variable);
  variable.dataId = backend.add(read);
  engine.trackTensor(variable, backend);
}
