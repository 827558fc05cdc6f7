import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { fileBytes } from './file';
import { isTorchFile, readTorchFile, stateDict } from './index';
import { zipEntries } from './zip';

// Made by test/make.py.
const file = (name: string) => new Uint8Array(readFileSync(join('test', name)));
const tensors = (name: string) => stateDict(readTorchFile(file(name))).tensors;

const base = Float32Array.from({ length: 24 }, (_, i) => Math.fround(i) / 7);
const half = (value: number, bits: number) => Math.round(value * 2 ** bits) / 2 ** bits;
/** The tensors that test/make.py saves. */
const saved: Record<string, [dtype: string, shape: number[], values: ArrayLike<number | bigint>]> = {
  f64: ['F64', [4], Float64Array.of(1 / 3, -2e300, NaN, -Infinity)],
  f32: ['F32', [4, 6], base],
  f16: ['F16', [4], Float32Array.of(half(1 / 3, 12), 65504, 2 ** -24, -0)],
  bf16: ['BF16', [4], Float32Array.of(half(1 / 3, 9), 226 * 2 ** 120, 2 ** -133, -1.5)],
  i64: ['I64', [2], BigInt64Array.of(2n ** 62n + 1n, -3n)],
  i32: ['I32', [2], Int32Array.of(-(2 ** 31), 5)],
  i16: ['I16', [2], Int16Array.of(-7, 300)],
  i8: ['I8', [2], Int8Array.of(-128, 127)],
  u8: ['U8', [2], Uint8Array.of(0, 255)],
  bool: ['BOOL', [3], Uint8Array.of(1, 0, 1)],
  scalar: ['F32', [], Float32Array.of(2.5)],
  empty: ['F32', [0, 3], new Float32Array(0)],
  transposed: ['F32', [6, 4], base.map((_, i) => base[(i % 4) * 6 + Math.floor(i / 4)])],
  step: ['F32', [2, 2], Float32Array.of(base[6], base[9], base[18], base[21])],
  column: ['F32', [4], Float32Array.of(base[2], base[8], base[14], base[20])],
  again: ['F32', [4, 6], base],
  parameter: ['F32', [2], Float32Array.of(1, 2)],
  expanded: ['F32', [2, 3], Float32Array.of(3, 3, 3, 4, 4, 4)],
};

test.each(['zip.pt', 'legacy.pt'])(
  '%s has the tensors that were saved, of every type, whatever their strides',
  (name) => {
    const read = tensors(name);
    expect([...read].map(([key, { dtype, shape, data }]) => [key, [dtype, shape, data]])).toEqual(
      Object.entries(saved),
    );
  },
);

test('tensors are views of the file where they lie in order, and one where they are the same', () => {
  const bytes = file('zip.pt');
  const read = stateDict(readTorchFile(bytes)).tensors;
  expect(read.get('f32')!.data.buffer).toBe(bytes.buffer);
  expect(read.get('transposed')!.data.buffer).not.toBe(bytes.buffer);
  expect(read.get('again')).toBe(read.get('f32'));
  // They may lie anywhere.
  const moved = new Uint8Array(bytes.length + 1).subarray(1);
  moved.set(bytes);
  expect(stateDict(readTorchFile(moved)).tensors.get('f32')!.data).toEqual(base);
});

test('integers without a sign, which PyTorch saves in another way', () => {
  const [u16, u32, u64] = [...tensors('unsigned.pt').values()].map(({ data }) => data);
  expect([u16, u32, u64]).toEqual([
    Uint16Array.of(65534),
    Uint32Array.of(2 ** 32 - 2),
    BigUint64Array.of(2n ** 64n - 2n),
  ]);
});

test('a file on disk is read in parts, when they are asked for', () => {
  const folder = mkdtempSync(join(tmpdir(), 'torch-file-'));
  try {
    for (const name of ['zip.pt', 'legacy.pt']) {
      const path = join(folder, name);
      writeFileSync(path, file(name));
      const read = stateDict(readTorchFile(fileBytes(path))).tensors;
      expect(read.get('step')!.data).toEqual(saved.step[2]);
      truncateSync(path, 100);
      expect(() => read.get('f32')!.data).toThrow(/ends at byte \d+; it had \d+ bytes/);
      // What was read stays.
      expect(read.get('step')!.data).toEqual(saved.step[2]);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('whatever torch.save was given comes back as plain data', () => {
  const value = readTorchFile(file('training.ckpt')) as Map<string, unknown>;
  expect(value.get('epoch')).toBe(3);
  expect(value.get('lr')).toBe(1e-3);
  expect(value.get('flags')).toEqual([true, null, [1, 2, 3, 4]]);
  expect(value.get('big')).toBe(2n ** 80n);
  expect(value.get('device')).toBe('cuda:1');
  expect(value.get('size')).toEqual([2, 3]);
  expect(value.get('dtype')).toMatchObject({ name: 'torch.float32' });
});

test('the weights are found in what a training program saves, an average first', () => {
  const value = readTorchFile(file('training.ckpt'));
  const average = stateDict(value);
  expect([...average.tensors.keys()]).toEqual(['weight', 'bias']);
  expect(average).toMatchObject({ at: 'ema', prefix: 'ema_model.module.' });
  expect(average.others).toEqual(['initted', 'step', 'online_model.weight', 'online_model.bias']);

  const model = stateDict(value, { at: 'model' });
  expect(model).toMatchObject({ at: 'model', prefix: 'module.', others: [] });
  expect(model.tensors.get('weight')!.shape).toEqual([2, 3]);
  expect([...stateDict(value, { at: 'ema', prefix: 'online_model.' }).tensors.keys()]).toEqual(['weight', 'bias']);
  expect(() => stateDict(value, { at: 'ema', prefix: 'x.' })).toThrow(
    'torch-file: no tensor\'s name begins with "x."; the first is "initted"',
  );
  expect(() => stateDict(value, { at: 'mode' })).toThrow(/^torch-file: there is no "mode", but "epoch", "name", /);
  expect(() => stateDict(value, { at: 'epoch' })).toThrow('torch-file: "epoch" holds no tensors');
});

test('of a whole diffusion process, as lucidrains’ trainer saves it, the weights are those of its averaged network', () => {
  const tensor = { dtype: 'F32', shape: [1], data: new Float32Array(1) };
  const process = (network: string, start = '') =>
    ['betas', 'alphas_cumprod_prev', 'sqrt_recip_alphas_cumprod', 'posterior_mean_coef1', 'loss_weight']
      .concat(`${network}.init_conv.weight`, `${network}.time_mlp.1.bias`)
      .map((name) => [start + name, tensor] as const);
  const saved = new Map<string, unknown>([
    ...[['step', 7] as const, ['model', new Map(process('model'))] as const, ['opt', new Map()] as const],
    [
      'ema',
      new Map([
        ['initted', tensor],
        ['step', tensor],
        ...process('model', 'online_model.'),
        ...process('model', 'ema_model.'),
      ]),
    ],
  ]);
  const names = ['init_conv.weight', 'time_mlp.1.bias'];
  const average = stateDict(saved);
  expect([...average.schedule.keys()]).toEqual([
    'betas',
    'alphas_cumprod_prev',
    'sqrt_recip_alphas_cumprod',
    'posterior_mean_coef1',
    'loss_weight',
  ]);
  expect(stateDict(new Map(process('model'))).schedule.get('betas')).toBe(tensor);
  expect(stateDict(new Map([['net.weight', tensor]])).schedule.size).toBe(0);
  expect(average).toMatchObject({ at: 'ema', prefix: 'ema_model.model.' });
  expect([...average.tensors.keys()]).toEqual(names);
  expect(average.others).toEqual(expect.arrayContaining(['initted', 'online_model.betas', 'betas', 'loss_weight']));
  expect([...stateDict(saved, { at: 'model' }).tensors.keys()]).toEqual(names);
  // Its first versions, which had the average as they had the model.
  const first = stateDict(
    new Map([
      ['model', new Map(process('denoise_fn'))],
      ['ema', new Map(process('denoise_fn'))],
    ]),
  );
  expect([first.at, first.prefix, ...first.tensors.keys()]).toEqual(['ema', 'denoise_fn.', ...names]);
  // A schedule alone is what was saved.
  expect([...stateDict(new Map([['betas', tensor]])).tensors.keys()]).toEqual(['betas']);
});

test('where weights lie at several places with names of their own, they are listed', () => {
  const { tensors: inside } = stateDict(readTorchFile(file('unsigned.pt')));
  const both = new Map([
    ['generator', new Map([['net', inside]])],
    ['critic', new Map([['net', inside]])],
  ]);
  expect(() => stateDict(both)).toThrow('torch-file: tensors are in "generator", "critic": say which are meant');
  expect(stateDict(both, { at: 'critic' }).tensors.has('net.u16')).toBe(true);
  both.delete('critic');
  expect(stateDict(both)).toMatchObject({ at: 'generator.net', prefix: '' });
  expect(() => stateDict(new Map([['epoch', 1]]))).toThrow('torch-file: the file holds no tensors by name');
});

// What follows makes files.

const latin1 = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));

/** A zip archive of stored entries, without checksums. */
function zip(entries: readonly (readonly [name: string, content: Uint8Array])[]): Uint8Array {
  const chunks: Buffer[] = [];
  const directory: Buffer[] = [];
  let length = 0;
  for (const [name, content] of entries) {
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(name.length, 26);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt32LE(content.length, 20);
    entry.writeUInt32LE(content.length, 24);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt32LE(length, 42);
    directory.push(entry, Buffer.from(name));
    chunks.push(local, Buffer.from(name), Buffer.from(content));
    length += local.length + name.length + content.length;
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt32LE(Buffer.concat(directory).length, 12);
  end.writeUInt32LE(length, 16);
  return new Uint8Array(Buffer.concat([...chunks, ...directory, end]));
}

const contents = (bytes: Uint8Array) =>
  [...zipEntries(bytes)].map(([name, { start, end }]) => [name, bytes.slice(start, end)] as const);

/** A file with the given pickle, and one storage of 8 bytes. */
const withPickle = (program: string) =>
  zip([
    ['a/data.pkl', latin1(program)],
    ['a/data/0', new Uint8Array(8)],
  ]);
const storage = '(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x02tQ';
const text = (value: string) => `X${String.fromCharCode(value.length)}\0\0\0${value}`;

test('storages of a machine with the other byte order are turned', () => {
  const turned = contents(file('unsigned.pt')).map(([name, content]) => {
    if (name.endsWith('/byteorder')) return [name, latin1('big')] as const;
    return [name, /\/data\/\d+$/.test(name) ? content.slice().reverse() : content] as const;
  });
  expect(turned.map(([name]) => name)).toContain('unsigned/byteorder');
  const read = [...stateDict(readTorchFile(zip(turned))).tensors.values()].map(({ data }) => data[0]);
  expect(read).toEqual([65534, 2 ** 32 - 2, 2n ** 64n - 2n]);
});

test('what is no tensor is refused by its name, and nothing is executed', () => {
  expect(() => readTorchFile(file('module.pt'))).toThrow(
    'torch-file: the file names "torch.nn.modules.linear.Linear", which is no part of a tensor; nothing from files is executed: save the state_dict alone',
  );
  expect(() => readTorchFile(file('complex.pt'))).toThrow('"torch.ComplexFloatStorage"');
  expect(() => readTorchFile(withPickle(`\x80\x02cposix\nsystem\n${text('true')}\x85R.`))).toThrow('"posix.system"');
  expect(() => readTorchFile(withPickle('\x80\x02c__builtin__\neval\n.'))).toThrow('"__builtin__.eval"');
  // Names that JavaScript's objects have.
  for (const name of ['constructor', 'toString', '__proto__']) {
    expect(() => readTorchFile(withPickle(`\x80\x02c${name}\n${name}\n.`))).toThrow(`"${name}.${name}"`);
    expect(() => readTorchFile(withPickle(`\x80\x02ctorch\n${name}\n.`))).toThrow(`"torch.${name}"`);
  }
  expect(() => readTorchFile(withPickle(`\x80\x02${text('call')}${text('x')}\x85R.`))).toThrow('no function');
});

test.each([
  ['a shape larger than its storage', 'K\0K\x03\x85K\x01\x85', 'a tensor of [3] reaches element 2 of a storage of 2'],
  ['a stride past its end', 'K\0K\x02\x85K\x02\x85', 'a tensor of [2] reaches element 2 of a storage of 2'],
  ['an offset past its end', 'K\x02K\x01\x85K\x01\x85', 'a tensor of [1] reaches element 2 of a storage of 2'],
  ['a negative size', 'K\0J\xff\xff\xff\xff\x85K\x01\x85', 'a tensor in storage "0" has no offset, shape and strides'],
  [
    'one number a billion times',
    'K\0J\0\0\0\x40\x85K\0\x85',
    'tensors that share memory would need more than 2 times the file',
  ],
  [
    'no elements, but a size that is none',
    'K\0K\0\x8a\x09\0\0\0\0\0\0\0\0\x01\x86K\x01K\x01\x86',
    'has no offset, shape',
  ],
])('a tensor with %s is refused', (_, layout, message) => {
  const program = `\x80\x02ctorch._utils\n_rebuild_tensor\n(${storage}${layout}tR.`;
  expect(() => readTorchFile(withPickle(program))).toThrow(message);
  const good = program.replace(layout, 'K\0K\x02\x85K\x01\x85');
  expect(readTorchFile(withPickle(good))).toMatchObject({ dtype: 'F32', shape: [2] });
});

test('objects that refer to one another without end are refused', () => {
  const rebuilt = `ctorch._utils\n_rebuild_tensor\n(${storage}K\0K\x02\x85K\x01\x85tR`;
  // A list that holds itself.
  const endless = readTorchFile(withPickle(`\x80\x02]q\0(${rebuilt}h\0e.`));
  expect(() => stateDict(endless)).toThrow('objects of the file lie deeper than 32 levels');
  // Each list holds the one before twice: 2²² names.
  let value = readTorchFile(withPickle(`\x80\x02${rebuilt}.`));
  for (let i = 0; i < 22; i++) value = [value, value];
  expect(() => stateDict(value, { at: '' })).toThrow('the objects of the file refer to one another too often');
  // A long name that every tensor has.
  const long = new Map([['x'.repeat(400), Array.from({ length: 100_000 }, () => (value as unknown[])[0])]]);
  expect(() => stateDict(long, { at: '' })).toThrow('the objects of the file refer to one another too often');
});

test('a pickle makes no more objects than a checkpoint has', () => {
  expect(() => readTorchFile(withPickle(`\x80\x02${']'.repeat(1_000_001)}.`))).toThrow('more than 1000000 objects');
});

test.each(['zip.pt', 'legacy.pt'])('%s is refused in one line wherever it is cut off', (name) => {
  const bytes = file(name);
  for (let length = 0; length < bytes.length; length += 3) {
    const cut = bytes.slice(0, length);
    let message = '';
    try {
      for (const { data } of stateDict(readTorchFile(cut)).tensors.values()) void data;
    } catch (error) {
      ({ message } = error as Error);
    }
    expect(message).toMatch(/^torch-file: .+$/);
  }
});

test('other formats and archives are told from it', () => {
  expect([file('zip.pt'), file('legacy.pt'), latin1('{"a": 1}'), new Uint8Array(0)].map(isTorchFile)).toEqual([
    ...[true, true, false, false],
  ]);
  const opening = (bytes: Uint8Array) => () => readTorchFile(bytes);
  expect(opening(latin1('version https://git-lfs.github.com/spec/v1\n'))).toThrow(
    'torch-file: this is a Git LFS pointer',
  );
  expect(opening(latin1('hello'))).toThrow('torch-file: this is no file of torch.save');
  expect(opening(latin1('\x80\x02K\x01.'))).toThrow('torch-file: this is a Python pickle, and not one of torch.save');
  expect(opening(zip([['a/code.py', latin1('1')]]))).toThrow('no data.pkl: torch.save did not write it');
  const script = [...contents(file('unsigned.pt')), ['unsigned/constants.pkl', latin1('x')] as const];
  expect(opening(zip(script))).toThrow('TorchScript archive, a program');
  const compressed = withPickle('\x80\x02N.');
  compressed[compressed.length - 22 - 2 * 46 - 'a/data.pkla/data/0'.length + 10] = 8;
  expect(opening(compressed)).toThrow('"a/data.pkl" is compressed (method 8); torch.save does not compress');
});
