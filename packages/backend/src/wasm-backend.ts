import * as tf from '@tensorflow/tfjs-core';
import type { Definition } from './simd/assembler';
import { assemble } from './simd/assembler';

/** The part of @tensorflow/tfjs-backend-wasm's `BackendWasm` that these kernels use. */
export interface WasmBackend extends tf.KernelBackend {
  readonly wasm: {
    readonly asm: { readonly memory?: WebAssembly.Memory };
    readonly wasmMemory?: WebAssembly.Memory;
    _malloc: (bytes: number) => number;
    readonly _free: (address: number) => void;
    cwrap: (
      name: string,
      returns: null,
      parameters: readonly ('number' | 'array')[],
    ) => (...args: (number | Uint8Array)[]) => void;
    readonly tfjs: {
      readonly registerTensor: (id: number, size: number, address: number) => void;
      readonly disposeData: (id: number) => void;
    };
  };
  readonly dataIdMap: { get(dataId: tf.DataId): { readonly memoryOffset: number } };
  dataIdNextNumber: number;
  makeOutput(shape: readonly number[], dtype: tf.DataType): tf.TensorInfo;
  typedArrayFromHeap(tensor: tf.TensorInfo): Float32Array | Int32Array | Uint8Array;
}

/** A kernel as the registry calls it: inputs by name, attributes by name. */
export interface KernelArguments {
  readonly inputs: Readonly<Record<string, tf.TensorInfo>>;
  readonly attrs?: Readonly<Record<string, unknown>>;
  readonly backend: unknown;
}

/** Where the tensor's values begin in the WASM heap, in bytes. */
export function address(backend: WasmBackend, tensor: tf.TensorInfo): number {
  return backend.dataIdMap.get(tensor.dataId).memoryOffset;
}

/** A function made once for each backend, when it is first needed. */
export function oncePerBackend<Result>(make: (backend: WasmBackend) => Result): (backend: WasmBackend) => Result {
  const made = new WeakMap<WasmBackend, Result>();
  return (backend) => {
    if (!made.has(backend)) made.set(backend, make(backend));
    return made.get(backend) as Result;
  };
}

/** A function of our own in the memory where the backend keeps its tensors. */
export function assembleFor<Parameter extends string>(definition: Definition<Parameter>) {
  return oncePerBackend(({ wasm }) => assemble(definition, (wasm.wasmMemory ?? wasm.asm.memory)!));
}

/** A tensor for a kernel to write. Its values are whatever was there. */
export function ownedTensor(backend: WasmBackend, shape: readonly number[], dtype: tf.DataType): tf.Tensor {
  return tf.engine().makeTensorFromTensorInfo(backend.makeOutput(shape, dtype));
}
