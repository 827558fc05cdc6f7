import type { Dtype } from '@ddpm/safetensors';
import { dtypes, otherFormat } from '@ddpm/safetensors';
import type { Bytes } from './bytes';
import { fail, show, u64, viewOf } from './bytes';
import type { Global } from './pickle';
import { Cursor, unpickle } from './pickle';
import type { Storage, TorchTensor } from './tensor';
import { tensorOf } from './tensor';
import { zipEntries } from './zip';

/** By the names of PyTorch's types: `torch.float32`, and `torch.FloatStorage`, which older files speak of. */
const torchTypes: Readonly<Record<string, { dtype: Dtype; storage?: string }>> = {
  float64: { dtype: 'F64', storage: 'Double' },
  float32: { dtype: 'F32', storage: 'Float' },
  float16: { dtype: 'F16', storage: 'Half' },
  bfloat16: { dtype: 'BF16', storage: 'BFloat16' },
  int64: { dtype: 'I64', storage: 'Long' },
  int32: { dtype: 'I32', storage: 'Int' },
  int16: { dtype: 'I16', storage: 'Short' },
  int8: { dtype: 'I8', storage: 'Char' },
  uint64: { dtype: 'U64' },
  uint32: { dtype: 'U32' },
  uint16: { dtype: 'U16' },
  uint8: { dtype: 'U8', storage: 'Byte' },
  bool: { dtype: 'BOOL', storage: 'Bool' },
};

/** Together, tensors may be so much larger than the file, where they are views of the same memory. */
const MAX_SHARING = 2;
const MAX_RANK = 16;

const MAGIC = 0x1950a86a20f9469cfc6cn;
const LEGACY_PROTOCOL = 1001;

const isZip = (bytes: Bytes) => bytes.length >= 4 && viewOf(bytes.subarray(0, 4)).getUint32(0, true) === 0x04034b50;
const isPickle = (bytes: Bytes) => {
  if (bytes.length < 2) return false;
  const [opcode, protocol] = bytes.subarray(0, 2);
  return opcode === 0x80 && protocol >= 2 && protocol <= 5;
};

/** Whether the file begins as torch.save's do: as a zip archive, or as a pickle. */
export const isTorchFile = (bytes: Bytes): boolean => isZip(bytes) || isPickle(bytes);

/**
 * The object that `torch.save` wrote (a `.pt`, `.pth`, `.bin` or `.ckpt`), in its zip format or in the one before
 * PyTorch 1.6: dicts are Maps, lists and tuples arrays, tensors and parameters `TorchTensor`s, None is null, devices
 * text, types objects with a `name`. `stateDict` finds the weights in it. Of the names that a pickle can speak of, only those are known
 * that make tensors and dicts of them, and nothing is executed.
 * @param bytes the file; a Uint8Array, or `fileBytes(path)` of `@ddpm/torch-file/file`
 * @throws Error in one line that says what is wrong: another format, another class than tensors, a file that is cut off,
 *   compressed or damaged, tensors that overlap so much that they would be larger than the file
 */
export function readTorchFile(bytes: Bytes): unknown {
  if (isZip(bytes)) return readZip(bytes);
  if (isPickle(bytes)) return readLegacy(bytes);
  return fail(otherFormat(bytes.subarray(0, Math.min(bytes.length, 200))) ?? 'this is no file of torch.save');
}

function readZip(bytes: Bytes): unknown {
  const entries = zipEntries(bytes);
  const [program, ...others] = [...entries.keys()].filter((name) => /^([^/]+\/)?data\.pkl$/.test(name));
  if (program === undefined || others.length > 0) fail('the archive has no data.pkl: torch.save did not write it');
  const folder = program.slice(0, -'data.pkl'.length);
  if (entries.has(`${folder}constants.pkl`))
    fail('this is a TorchScript archive, a program; save the state_dict alone');
  const order = entries.get(`${folder}byteorder`);
  const byteOrder = order && order.end - order.start <= 8 ? text(bytes.subarray(order.start, order.end)) : 'little';
  if (order && byteOrder !== 'little' && byteOrder !== 'big') fail(`the byte order is ${show(byteOrder)}`);

  const storage = (key: string, dtype: Dtype | undefined, length: number): Storage => {
    const span = entries.get(`${folder}data/${key}`) ?? fail(`the archive has no storage ${show(key)}`);
    const expected = length * (dtype ? dtypes[dtype].size : 1);
    if (span.end - span.start !== expected) {
      fail(`storage ${show(key)} has ${span.end - span.start} bytes, and should have ${expected}`);
    }
    const read = (start: number, end: number) => bytes.subarray(span.start + start, span.start + end);
    return { id: key, dtype, length, bigEndian: byteOrder === 'big', read };
  };
  const cursor = new Cursor(bytes, entries.get(program));
  return unpickle(cursor, { find: finder(bytes.length), persistent: (id) => storage(...persistentStorage(id)) });
}

/** PyTorch's format before 1.6: five pickles, the fourth of them the object, then the storages. */
function readLegacy(bytes: Bytes): unknown {
  const cursor = new Cursor(bytes);
  const find = finder(bytes.length);
  const plain = () => unpickle(cursor, { find, persistent: () => fail('the file begins with a storage') });
  if (plain() !== MAGIC) fail('this is a Python pickle, and not one of torch.save');
  const protocol = plain();
  if (protocol !== LEGACY_PROTOCOL) fail(`the file's protocol is ${shown(protocol)}; ${LEGACY_PROTOCOL} is read`);
  plain(); // Of the machine that wrote it: its byte order does not matter, since the storages are always little-endian.

  /** Where the storages lie; known only after the object. */
  const starts = new Map<string, number>();
  const storages = new Map<string, Storage>();
  const root = (key: string, dtype: Dtype | undefined, length: number): Storage => {
    const known = storages.get(key);
    if (known && (known.dtype !== dtype || known.length !== length)) fail(`storage ${show(key)} is of two kinds`);
    const read = (start: number, end: number) => {
      const at = starts.get(key) ?? fail(`the file has no storage ${show(key)}`);
      return bytes.subarray(at + start, at + end);
    };
    const storage = known ?? { id: key, dtype, length, bigEndian: false, read };
    storages.set(key, storage);
    return storage;
  };
  const persistent = (id: unknown): Storage => {
    const [key, dtype, length] = persistentStorage(id);
    const storage = root(key, dtype, length);
    const view = (id as unknown[])[5];
    if (view === undefined || view === null) return storage;
    // A part of it, from before PyTorch 0.4.
    const [name, offset, size] = Array.isArray(view) ? (view as unknown[]) : [];
    if (typeof name !== 'string' || !isSize(offset) || !isSize(size) || offset + size > length) {
      return fail(`a view of storage ${show(key)} lies outside of it`);
    }
    const first = offset * (dtype ? dtypes[dtype].size : 1);
    const read = (start: number, end: number) => storage.read(first + start, first + end);
    return { ...storage, id: `${key}+${offset}`, length: size, read };
  };
  const value = unpickle(cursor, { find, persistent });

  const keys = plain();
  if (!Array.isArray(keys)) return fail('the list of storages is missing');
  for (const key of keys as unknown[]) {
    const storage = (typeof key === 'string' && storages.get(key)) || fail(`no tensor is in storage ${shown(key)}`);
    const length = u64(viewOf(cursor.take(8)), 0);
    if (length !== storage.length) {
      fail(`storage ${show(storage.id)} has ${length} elements, and should have ${storage.length}`);
    }
    const size = length * (storage.dtype ? dtypes[storage.dtype].size : 1);
    if (starts.has(storage.id)) fail(`storage ${show(storage.id)} is there twice`);
    if (size > cursor.end - cursor.position) fail(`storage ${show(storage.id)} of ${size} bytes is cut off`);
    starts.set(storage.id, cursor.position);
    cursor.position += size;
  }
  for (const id of storages.keys()) if (!starts.has(id)) fail(`the file has no storage ${show(id)}`);
  return value;
}

/** ('storage', type, key, device, number of elements, …), as torch.save names a storage. */
function persistentStorage(id: unknown): [key: string, dtype: Dtype | undefined, length: number] {
  const [kind, type, key, , length] = Array.isArray(id) ? (id as unknown[]) : [];
  if (kind !== 'storage' || typeof key !== 'string' || !isSize(length)) return fail('a storage is not named as one');
  if (!(type instanceof StorageType)) return fail(`storage ${show(key)} has no type of storage`);
  return [key, type.dtype, length];
}

/** `torch.FloatStorage`. */
class StorageType implements Global {
  constructor(
    readonly name: string,
    readonly dtype: Dtype | undefined,
  ) {}
}

/** `torch.float32`. */
class Type implements Global {
  constructor(
    readonly name: string,
    readonly dtype: Dtype,
  ) {}
}

/** Finds what names stand for, in one file. */
function finder(fileLength: number): (name: string) => Global | undefined {
  const tensors = new Map<string, TorchTensor>();
  let total = 0;
  /** A tensor; what lies alike in one storage is one. */
  const rebuild = (storage: unknown, offset: unknown, shape: unknown, strides: unknown, type?: Dtype): TorchTensor => {
    if (!isStorage(storage)) return fail('a tensor has no storage');
    const dtype = type ?? storage.dtype ?? fail('a tensor has no type');
    if (!isSize(offset) || !isSizes(shape) || !isSizes(strides) || shape.length !== strides.length) {
      return fail(`a tensor in storage ${show(storage.id)} has no offset, shape and strides of whole numbers`);
    }
    const key = JSON.stringify([storage.id, dtype, offset, shape, strides]);
    const known = tensors.get(key);
    if (known) return known;
    const tensor = tensorOf(storage, dtype, { offset, shape, strides });
    total += shape.reduce((product, size) => product * size, dtypes[dtype].size);
    if (total > MAX_SHARING * fileLength) {
      fail(`tensors that share memory would need more than ${MAX_SHARING} times the file's ${fileLength} bytes`);
    }
    tensors.set(key, tensor);
    return tensor;
  };
  const v2 = (...[storage, offset, shape, strides, , , metadata]: readonly unknown[]) =>
    metadata === undefined || metadata === null
      ? rebuild(storage, offset, shape, strides)
      : fail('a tensor is a conjugate or negative view; save it after resolve_conj().resolve_neg()');
  const calls: Readonly<Record<string, (...args: readonly unknown[]) => unknown>> = {
    'collections.OrderedDict': (items) => orderedDict(items),
    'torch._utils._rebuild_tensor': v2,
    'torch._utils._rebuild_tensor_v2': v2,
    'torch._utils._rebuild_tensor_v3': (storage, offset, shape, strides, _grad, _hooks, type) =>
      type instanceof Type ? rebuild(storage, offset, shape, strides, type.dtype) : fail('a tensor has no type'),
    // What follows is whether it has a gradient, hooks, and attributes that somebody gave it.
    'torch._utils._rebuild_parameter': (tensor) => tensor,
    'torch._utils._rebuild_parameter_with_state': (tensor) => tensor,
    'torch.Size': (sizes) => (isSizes(sizes) ? sizes : fail('a torch.Size has no sizes')),
    'torch.device': (name, index) =>
      typeof name === 'string' && name.length < 32 && (index === undefined || isSize(index))
        ? [name, index].slice(0, index === undefined ? 1 : 2).join(':')
        : fail('a torch.device has no name'),
  };
  return (name) => {
    if (Object.hasOwn(calls, name)) return { name, call: calls[name] };
    if (name === 'torch.storage.UntypedStorage') return new StorageType(name, undefined);
    const [, type, storage] = /^torch\.(?:cuda\.)?(?:(\w+)Storage|(\w+))$/.exec(name) ?? [];
    for (const [torchName, { dtype, storage: kind }] of Object.entries(torchTypes)) {
      if (type !== undefined && type === kind) return new StorageType(name, dtype);
      if (storage === torchName) return new Type(name, dtype);
    }
    return undefined;
  };
}

function orderedDict(items: unknown): Map<unknown, unknown> {
  if (items === undefined) return new Map();
  const pairs = Array.isArray(items) ? (items as unknown[]) : fail('an OrderedDict has no items');
  const isPair = (pair: unknown): pair is [unknown, unknown] => Array.isArray(pair) && pair.length === 2;
  return pairs.every(isPair) ? new Map(pairs) : fail('an OrderedDict has no items');
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const shown = (value: unknown) =>
  typeof value === 'string' ? show(value) : typeof value === 'number' ? String(value) : `a ${typeof value}`;
const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isSizes = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.length <= MAX_RANK && value.every(isSize);
const isStorage = (value: unknown): value is Storage =>
  typeof value === 'object' && value !== null && 'read' in value && 'bigEndian' in value;
