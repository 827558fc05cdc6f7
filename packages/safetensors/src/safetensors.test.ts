import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { runInNewContext } from 'node:vm';
import { readSafetensors, writeSafetensors } from './index';
import type { StoredTensor } from './index';

/** A file with the given header and data, however wrong. */
function file(header: unknown, data: ArrayLike<number> = [], headerLength?: bigint): Uint8Array {
  const json = typeof header === 'string' ? header : JSON.stringify(header);
  const text = new TextEncoder().encode(json);
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, headerLength ?? BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

test('what is written is read back bit for bit, with names, shapes and metadata', () => {
  const tensors = new Map<string, StoredTensor>([
    ['bytes', { shape: [3], data: Uint8Array.of(1, 2, 255) }],
    ['weight', { shape: [2, 2], data: Float32Array.of(0.1, -0, NaN, Infinity) }],
    ['scalar', { shape: [], data: Float64Array.of(Math.PI) }],
    ['empty', { shape: [0, 4], data: new Int32Array(0) }],
    ['step', { shape: [1], data: BigInt64Array.of(-(2n ** 60n)) }],
    ['ünïcode "name"', { shape: [2], data: Int16Array.of(-3, 4) }],
    ['0', { shape: [1], data: Int32Array.of(-5) }],
  ]);
  const read = readSafetensors(writeSafetensors(tensors, { network: '{"dim":28}', note: 'ε' }));
  expect(read.metadata).toEqual({ network: '{"dim":28}', note: 'ε' });
  expect(read.tensors.size).toBe(tensors.size);
  for (const [name, { shape, data }] of tensors) expect(read.tensors.get(name)).toMatchObject({ shape, data });
});

test('writes the bytes that the format’s own library does', () => {
  // python: safetensors.numpy.save({"a": numpy.array([1.5, -2], dtype="f4")}, {"k": "v"}).hex()
  const reference =
    '50000000000000007b225f5f6d657461646174615f5f223a7b226b223a2276227d2c2261223a7b226474797065223a22463332222c227368617065223a5b325d2c22646174615f6f666673657473223a5b302c385d7d7d200000c03f000000c0';
  const bytes = writeSafetensors(new Map([['a', { shape: [2], data: Float32Array.of(1.5, -2) }]]), { k: 'v' });
  expect(Buffer.from(bytes).toString('hex')).toBe(reference);
});

test('reads from a Buffer that is part of a larger one, and shares nothing with it', () => {
  const whole = writeSafetensors(new Map([['a', { shape: [2], data: Float32Array.of(1.5, -2) }]]));
  const buffer = Buffer.concat([Buffer.alloc(3), whole]).subarray(3);
  const { data } = readSafetensors(buffer).tensors.get('a')!;
  buffer.fill(0);
  expect(data).toEqual(Float32Array.of(1.5, -2));
});

test('widens half-precision numbers exactly', () => {
  const bits = Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7c00, 0x7bff, 0x8000);
  const data = [...new Uint8Array(bits.buffer)];
  const read = (dtype: string) => [
    ...(readSafetensors(file({ x: { dtype, shape: [6], data_offsets: [0, 12] } }, data)).tensors.get('x')?.data ?? []),
  ];
  expect(read('F16')).toEqual([1, -2, 2 ** -24, Infinity, 65504, -0]);
  expect(read('BF16').slice(0, 2)).toEqual([0.0078125, -2]);
});

describe('float32 written as half-precision numbers', () => {
  const rounded = (dtype: 'F16' | 'BF16', ...values: number[]) => {
    const tensors = new Map([['x', { shape: [values.length], data: Float32Array.from(values), dtype }]]);
    return [...readSafetensors(writeSafetensors(tensors)).tensors.get('x')!.data];
  };

  test.each(['F16', 'BF16'] as const)('%s: all that there are come back to the bit', (dtype) => {
    const bits = Uint16Array.from({ length: 2 ** 16 }, (_, i) => i);
    const header = { x: { dtype, shape: [2 ** 16], data_offsets: [0, 2 ** 17] } };
    const { tensors } = readSafetensors(file(header, new Uint8Array(bits.buffer)));
    const again = readSafetensors(writeSafetensors(tensors)).tensors.get('x')!;
    expect(again.dtype).toBe(dtype);
    const values = tensors.get('x')!.data;
    expect(again.data.every((value, i) => Object.is(value, values[i]))).toBe(true);
  });

  test('others go to the nearest, of two as near to the even one', () => {
    expect(rounded('F16', 1 + 2 ** -11, 1 + 3 * 2 ** -11, 1 + 2 ** -11 + 2 ** -20, -2047.6, 65519, 65520)).toEqual([
      ...[1, 1 + 2 ** -9, 1 + 2 ** -10, -2048, 65504, Infinity],
    ]);
    expect(rounded('F16', 2 ** -25, 3 * 2 ** -25, 2 ** -14 - 2 ** -26, -(2 ** -30))).toEqual([
      ...[0, 2 ** -23, 2 ** -14, -0],
    ]);
    expect(rounded('BF16', 1 + 2 ** -8, 1 + 3 * 2 ** -8, 3.4e38)).toEqual([1, 1 + 2 ** -6, Infinity]);
  });

  test('a dtype that the array does not hold is refused', () => {
    const x = { shape: [1], data: Int32Array.of(1), dtype: 'F16' as const };
    expect(() => writeSafetensors(new Map([['x', x]]))).toThrow(
      'writeSafetensors: x is I32, which cannot be written as F16',
    );
  });
});

describe('refuses, in one line, a file with', () => {
  const tensor = (change: object) => ({ x: { dtype: 'F32', shape: [2], data_offsets: [0, 8], ...change } });
  const eight = new Uint8Array(8);
  test.each<[string, Uint8Array, string]>([
    ['too few bytes', Uint8Array.of(1, 2), 'the file has 2 bytes, fewer than the 8 of its header length'],
    [
      'a huge header',
      file('{}', [], 2n ** 63n),
      'the header is said to have 9223372036854776000 bytes; at most 100000000 are allowed',
    ],
    [
      'a truncated header',
      file('{}', [], 50n),
      'the header is said to have 50 bytes, but only 2 follow; the file is cut off',
    ],
    ['a header that is no JSON', file('{"x":'), 'the header is not JSON'],
    ['a header that nests too deep', file('['.repeat(100_000)), 'the header is not JSON'],
    ['a header that is no object', file('[1]'), 'the header is not a JSON object'],
    ['an entry that is no object', file({ x: 3 }), 'the entry of "x" is not an object'],
    ['metadata that is no string', file({ __metadata__: { k: 1 } }), 'the metadata of "k" is not a string'],
    ['an unknown dtype', file(tensor({ dtype: 'F8' }), eight), 'tensor "x" has dtype "F8"; known are F64'],
    ['no dtype', file(tensor({ dtype: ['F32'] }), eight), 'tensor "x" has no dtype'],
    ['an inherited dtype', file(tensor({ dtype: 'toString' }), eight), 'has dtype "toString"'],
    ['a negative dimension', file(tensor({ shape: [-2] }), eight), 'tensor "x" has no shape of whole numbers'],
    ['a fractional offset', file(tensor({ data_offsets: [0, 7.5] }), eight), 'tensor "x" has no pair of data_offsets'],
    [
      'data past the end',
      file(tensor({}), [1, 2, 3]),
      'tensor "x" lies at bytes 0 … 8, outside the 3 bytes of data; the file is cut off',
    ],
    [
      'a shape unlike its data',
      file(tensor({ shape: [3] }), eight),
      'tensor "x" of F32 [3] needs 12 bytes, but its data_offsets span 8',
    ],
    ['a shape that overflows', file(tensor({ shape: [2 ** 52, 2 ** 52] }), eight), 'its data_offsets span 8'],
    ['overlapping tensors', file({ ...tensor({}), y: tensor({}).x }, eight), 'overlaps another'],
    ['a hole', file(tensor({ data_offsets: [4, 12] }), new Uint8Array(12)), 'starts at byte 4, where 0 is due'],
    ['bytes of no tensor', file(tensor({}), new Uint8Array(9)), '1 bytes of data belong to no tensor'],
  ])('%s', (_, bytes, message) => expect(() => readSafetensors(bytes)).toThrow(message));
});

describe('says what a file of another kind is:', () => {
  const text = (content: string) => new TextEncoder().encode(content);
  const hex = (digits: string) => Uint8Array.from(Buffer.from(digits, 'hex'));
  test.each<[string, Uint8Array, string]>([
    ['an empty file', new Uint8Array(), 'the file is empty'],
    [
      'a Git LFS pointer',
      text(
        'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n',
      ),
      'this is a Git LFS pointer, not the file that it stands for; fetch that with git lfs pull',
    ],
    [
      'a web page',
      text('\uFEFF\n<!DOCTYPE html>\n<html lang="en">'),
      'this is a web page (HTML), not what the link was to lead to',
    ],
    [
      // python: z = zipfile.ZipFile(f, 'w'); z.writestr('archive/data.pkl', b'')
      'what torch.save writes',
      hex(
        '504b03041400000000004f7a5c5b00000000000000000000000010000000' +
          Buffer.from('archive/data.pkl').toString('hex'),
      ),
      'this is a PyTorch pickle (zip); read it with @ddpm/torch-file',
    ],
    [
      'another zip archive',
      hex('504b03041400000000004f7a5c5b0000000000000000000000000b000000782f64612e706b6c'),
      'this is a zip archive',
    ],
    [
      // The magic number with which PyTorch before 1.6 begins: pickle.dumps(0x1950a86a20f9469cfc6c, protocol=2)
      'what torch.save wrote once',
      hex('80028a0a6cfc9c46f9206aa850192e'),
      'this is a Python pickle, such as old PyTorch files are; read it with @ddpm/torch-file',
    ],
    // pickle.dumps({'w': [1.0]}, protocol=4)
    ['a pickle', hex('80049512000000000000007d948c0177945d9447'), 'this is a Python pickle'],
    ['HDF5', hex('894844460d0a1a0a00000000'), 'this is an HDF5 file, such as Keras writes'],
    ['GGUF', text('GGUF\x03\0\0\0\0\0'), 'this is a GGUF file'],
    ['gzip', hex('1f8b08000000000000030300'), 'the file is compressed by gzip; unpack it first'],
  ])('%s', (_, bytes, message) => expect(() => readSafetensors(bytes)).toThrow(`safetensors: ${message}`));

  test('but not of a safetensors file whose length begins like another’s first bytes', () => {
    const whole = file(
      { x: { dtype: 'F32', shape: [2], data_offsets: [0, 8] }, __metadata__: { k: 'v'.repeat(640 - 78) } },
      new Uint8Array(8),
    );
    expect([...whole.subarray(0, 2)]).toEqual([0x80, 2]);
    expect(readSafetensors(whole).tensors.size).toBe(1);
    expect(() => readSafetensors(whole.subarray(0, 200))).toThrow(
      'the header is said to have 640 bytes, but only 192 follow',
    );
  });
});

test('says it in one short line, however long and deep what it says it of', () => {
  const long = 'a\n'.repeat(10_000);
  const tensor = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };
  const header = (entry: object) =>
    JSON.stringify({ x: { ...tensor, ...entry } }).replace('"nested"', '['.repeat(50_000) + ']'.repeat(50_000));
  for (const text of [
    JSON.stringify({ [long]: 3 }),
    JSON.stringify({ [long]: tensor }),
    JSON.stringify({ __metadata__: { [long]: 1 } }),
    header({ dtype: long }),
    header({ dtype: 'nested' }),
    header({ shape: 'nested' }),
    header({ shape: new Array(10_000).fill(1) }),
  ]) {
    expect(() => readSafetensors(file(text, new Uint8Array(16)))).toThrow(/^safetensors: [^\n]{1,200}$/);
  }
});

test('many names for the same bytes are refused before they are copied', () => {
  const size = 2 ** 20;
  const names = Array.from({ length: 5000 }, (_, i) => [
    `t${i}`,
    { dtype: 'U8', shape: [size], data_offsets: [0, size] },
  ]);
  const bytes = file(Object.fromEntries(names), new Uint8Array(size));
  const before = process.memoryUsage().arrayBuffers;
  expect(() => readSafetensors(bytes)).toThrow('tensor "t1" starts at byte 0, where 1048576 is due');
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * size);
});

test('random damage gives either tensors or one clear error', () => {
  const whole = writeSafetensors(
    new Map([
      ['a', { shape: [2, 3], data: new Float32Array(6) }],
      ['b', { shape: [4], data: new Uint8Array(4) }],
    ]),
    { k: 'v' },
  );
  const damage = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(damage, fc.nat(whole.length), (changes, length) => {
      const bytes = whole.slice(0, length % 3 === 0 ? length : whole.length);
      for (const [at, value] of changes) bytes[at] = value;
      try {
        readSafetensors(bytes);
      } catch (error) {
        expect((error as Error).message).toMatch(/^safetensors: [^\n]+$/);
      }
    }),
    { numRuns: 2000, seed: 1 },
  );
});

test('the writer names a shape that does not fit', () => {
  const write = (name: string, shape: number[]) => () =>
    writeSafetensors(new Map([[name, { shape, data: new Float32Array(4) }]]));
  expect(write('w', [3])).toThrow('writeSafetensors: w has 4 elements, which is not its shape [3]');
  expect(write('__metadata__', [4])).toThrow('a tensor cannot be called __metadata__');
});

test('the dtype of an array of another realm is that of its kind, and of no dtype is said', () => {
  const foreign = runInNewContext('[Float32Array.of(1.5), Int32Array.of(-2), Float64Array.of(0.1)]') as Float32Array[];
  const tensors = foreign.map((data, i): [string, StoredTensor] => [`${i}`, { shape: [1], data }]);
  const read = readSafetensors(writeSafetensors(new Map(tensors))).tensors;
  expect(['0', '1', '2'].map((name) => read.get(name)!.data)).toEqual([
    Float32Array.of(1.5),
    Int32Array.of(-2),
    Float64Array.of(0.1),
  ]);
  const clamped = new Map([['c', { shape: [1], data: Uint8ClampedArray.of(1) as unknown as Uint8Array }]]);
  expect(() => writeSafetensors(clamped)).toThrow(
    /^writeSafetensors: c must be one of Float64Array, .*; got Uint8ClampedArray$/,
  );
});
