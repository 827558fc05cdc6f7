import type * as OnnxRuntime from 'onnxruntime-node';
import { dirname, join } from 'node:path';
import { runInThisContext } from 'node:vm';
import { kindOf } from './realm';

/**
 * The globals of Node's own realm. Test runners run a program in another (node:vm), whose Float32Array is not the one
 * by which ONNX Runtime knows its data. So that is loaded here, wherever this module runs.
 */
export const host = runInThisContext('globalThis') as typeof globalThis;
const { createRequire: requireFrom } = host.process.getBuiltinModule('node:module');

/**
 * Where this module is: one of the built files, one of the sources, or part of a bundle, which has no `import.meta.url`
 * if it is CommonJS.
 */
const thisModule = typeof __filename === 'string' ? __filename : import.meta.url;

/** The built files, which a bundle that holds this module needs too. */
function builtFiles(): string {
  try {
    return dirname(requireFrom(thisModule).resolve('@ddpm/compile'));
  } catch (cause) {
    const message = `@ddpm/compile is not installed beside ${thisModule}: its worker and the binaries of ONNX Runtime cannot be within a bundle`;
    throw new Error(message, { cause });
  }
}

/** The built file that a worker runs. */
export const workerFile = join(builtFiles(), 'worker.js');

/** ONNX Runtime. */
export const ort = requireFrom(workerFile)('onnxruntime-node') as typeof OnnxRuntime;

type Data = Float32Array | Int32Array | Uint8Array | BigInt64Array;
type Kind = 'Float32Array' | 'Int32Array' | 'Uint8Array' | 'BigInt64Array';
type Arrays = Record<Kind, new (buffer: ArrayBufferLike, byteOffset: number, length: number) => Data>;

function viewAs<T extends Data>(data: T, arrays: Arrays): T {
  const Type = arrays[kindOf(data) as Kind];
  return data instanceof Type ? data : (new Type(data.buffer, data.byteOffset, data.length) as T);
}

/** The same memory, as ONNX Runtime knows it. */
export const hostArray = <T extends Data>(data: T): T => viewAs(data, host as unknown as Arrays);

/** The same memory, as the program knows it that uses this package. */
export const localArray = <T extends Data>(data: T): T => viewAs(data, globalThis as unknown as Arrays);
