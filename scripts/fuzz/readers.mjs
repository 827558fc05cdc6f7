// Every reader of files that come from others: how to make an input for it, mostly a valid file with a few faults, and
// how to read it.
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32, deflateSync, gzipSync } from 'node:zlib';
import { build } from 'tsup';
import { chance, damage, damageJson, long, pick, randomBytes, word } from './mutate.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const load = (name) => import(new URL(`../../packages/${name}/dist/index.js`, import.meta.url));
const once = (make) => {
  let value;
  return () => (value ??= make());
};

/** 64 MB of zeros, in 64 kB. */
const BOMB_BYTES = 2 ** 26;
const zeros = once(() => deflateSync(new Uint8Array(BOMB_BYTES), { level: 9 }));

const product = (shape) => shape.reduce((total, size) => total * size, 1);
const fits = ({ shape, data }) => data.length === product(shape);

/**
 * By name: `make(random)` makes an input, `open()` gives what reads it, and `fits(result)` says whether a result agrees
 * with itself.
 */
export const readers = {
  safetensors: {
    make: makeSafetensors,
    open: async () => (await load('safetensors')).readSafetensors,
    fits: ({ tensors }) => [...tensors.values()].every(fits),
  },
  'torch-file': {
    make: makeTorchFile,
    open: openTorchFile,
    // Together the tensors may be twice the file, and float16 then twice as large.
    fits: ({ tensors, size }) =>
      tensors.every(fits) && tensors.reduce((total, { data }) => total + data.byteLength, 0) <= 4 * size,
  },
  png: {
    make: makePng,
    open: async () => (await import(new URL('../../packages/images/dist/png.js', import.meta.url))).decodePng,
    fits: ({ width, height, channels, data }) => data.length === width * height * channels,
  },
  folder: { make: makePng, open: openFolder, fits: ({ dataset, pixels }) => pixels.length === product(dataset.shape) },
  captions: {
    make: makeCaptions,
    open: openCaptions,
    fits: ({ size, captions }) =>
      size === 2 &&
      (!captions || [0, 1].every((i) => captions(i).length > 0 && captions(i).every((one) => typeof one === 'string'))),
  },
  idx: { make: makeIdx, open: async () => (await load('datasets')).readIdx, fits },
  cifar10: {
    make: makeCifar10,
    open: async () => (await load('datasets')).readCifar10,
    fits: ({ pixels, labels }) => pixels.length === 3072 * labels.length && labels.every((label) => label < 10),
  },
  checkpoint: {
    make: makeCheckpoint,
    open: openCheckpoint,
    fits: ({ weights, step }) => [...weights.values()].every(fits) && Number.isSafeInteger(step),
  },
  meaning: {
    make: makeMeaning,
    open: openMeaning,
    fits: ({ image, levels: { scale }, parameterisation }) =>
      product(image) > 0 && scale.max >= scale.min && scale.min > 0 && parameterisation.name !== undefined,
  },
  config: { make: makeConfig, open: openConfig, fits: ({ settings }) => settings.batchSize >= 1 },
};

// safetensors

function makeSafetensors(random) {
  const sizes = {
    F64: 8,
    I64: 8,
    U64: 8,
    F32: 4,
    I32: 4,
    U32: 4,
    F16: 2,
    BF16: 2,
    I16: 2,
    U16: 2,
    I8: 1,
    U8: 1,
    BOOL: 1,
  };
  const header = chance(random, 0.5) ? { __metadata__: { format: 'pt', note: 'x' } } : {};
  let length = 0;
  for (let n = random.integer(5); n > 0; n--) {
    const dtype = pick(random, Object.keys(sizes));
    const shape = [...random.integers(random.integer(4), 4)];
    const start = length;
    length += sizes[dtype] * product(shape);
    header[`tensor.${n}`] = { dtype, shape, data_offsets: [start, length] };
  }
  if (chance(random, 0.002)) {
    // Many names for one large piece.
    length = 2 ** 20;
    for (let i = 0; i < 2000; i++) header[`t${i}`] = { dtype: 'U8', shape: [length], data_offsets: [0, length] };
  }
  return safetensorsFile(random, JSON.stringify(header), new Uint8Array(length));
}

function safetensorsFile(random, header, data) {
  const json = Buffer.from(chance(random, 0.7) ? damageJson(random, header) : header);
  const file = safetensorsBytes(json, data);
  if (chance(random, 0.1)) file.writeBigUInt64LE(long(random), 0);
  return chance(random, 0.2) ? damage(random, file) : file;
}

function safetensorsBytes(json, data) {
  const file = Buffer.concat([Buffer.alloc(8), json, data]);
  file.writeBigUInt64LE(BigInt(json.length), 0);
  return file;
}

// torch.save

async function openTorchFile() {
  const { readTorchFile, stateDict } = await load('torch-file');
  return (bytes) => {
    const { tensors } = stateDict(readTorchFile(bytes));
    // What was read stays in memory until all of it is there.
    return { tensors: [...tensors.values()].map(({ shape, data }) => ({ shape, data })), size: bytes.length };
  };
}

const torchFiles = once(() =>
  ['zip.pt', 'legacy.pt', 'training.ckpt', 'unsigned.pt'].map((name) =>
    readFileSync(join(root, 'packages/torch-file/test', name)),
  ),
);

/** Where a zip archive's entries lie, by their own headers, of an archive that is whole. */
function zipContents(file) {
  const directory = file.readUInt32LE(file.length - 6);
  const entries = [];
  for (let at = directory; file.readUInt32LE(at) === 0x02014b50;) {
    const [name, extra, comment] = [28, 30, 32].map((field) => file.readUInt16LE(at + field));
    const local = file.readUInt32LE(at + 42);
    const start = local + 30 + file.readUInt16LE(local + 26) + file.readUInt16LE(local + 28);
    const content = file.subarray(start, start + file.readUInt32LE(at + 24));
    entries.push([file.toString('utf8', at + 46, at + 46 + name), content]);
    at += 46 + name + extra + comment;
  }
  return entries;
}

function zipOf(entries) {
  const [chunks, directory] = [[], []];
  let length = 0;
  for (const [name, content] of entries) {
    const [local, entry] = [Buffer.alloc(30), Buffer.alloc(46)];
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(name.length, 26);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt32LE(content.length, 20);
    entry.writeUInt32LE(content.length, 24);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt32LE(length, 42);
    chunks.push(local, Buffer.from(name), content);
    directory.push(entry, Buffer.from(name));
    length += 30 + name.length + content.length;
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt32LE(Buffer.concat(directory).length, 12);
  end.writeUInt32LE(length, 16);
  return Buffer.concat([...chunks, ...directory, end]);
}

/** Pieces of pickles: opcodes with what follows them, of tensors and of what tensors do not need. */
const PICKLED = [
  ...[
    '}',
    ']',
    ')',
    '(',
    't',
    'e',
    'a',
    's',
    'u',
    'N',
    '\x88',
    '\x85',
    '\x86',
    '\x87',
    'R',
    'Q',
    'b',
    '\x94',
    '0',
    '2',
    '.',
  ],
  ...[
    'K\0',
    'K\x01',
    'K\x02',
    'M\xff\xff',
    'J\xff\xff\xff\xff',
    'J\0\0\0\x40',
    '\x8a\x09\0\0\0\0\0\0\0\0\x01',
    '\x8a\0',
  ],
  ...['q\0', 'q\x01', 'h\0', 'h\x01', 'r\xff\xff\xff\xff', 'j\xff\xff\xff\xff', 'G\x7f\xf8\0\0\0\0\0\0'],
  ...['X\x01\0\0\0a', 'X\x01\0\0\x000', 'X\xff\xff\xff\x7f', '\x8c\x01b', 'U\x01c', 'X\x07\0\0\0storage', 'C\x01x'],
  ...['ctorch\nFloatStorage\n', 'ctorch\nfloat16\n', 'ctorch\nSize\n', 'ctorch\ndevice\n', 'cos\nsystem\n', 'c\n\n'],
  ...[
    'ccollections\nOrderedDict\n',
    'ctorch._utils\n_rebuild_tensor_v2\n',
    'ctorch._utils\n_rebuild_parameter\n',
    '\x93',
  ],
  '(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x02tQ',
  'ctorch._utils\n_rebuild_tensor\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x02tQK\0K\x02\x85K\x01\x85tR',
].map((text) => Buffer.from(text, 'latin1'));

function damagePickle(random, program) {
  if (chance(random, 0.2)) {
    const pieces = Array.from({ length: 1 + random.integer(30) }, () => pick(random, PICKLED));
    return Buffer.concat([Buffer.of(0x80, 2), ...pieces, Buffer.of(0x2e)]);
  }
  let out = program;
  for (let n = random.integer(4); n > 0; n--) {
    const at = random.integer(out.length + 1);
    const end = Math.min(out.length, at + (chance(random, 0.5) ? 0 : random.integer(4)));
    out = Buffer.concat([out.subarray(0, at), pick(random, PICKLED), out.subarray(end)]);
  }
  return chance(random, 0.6) ? damage(random, out) : out;
}

/** Much of something, as a pickle. */
function pickleBomb(random) {
  const size = 2 ** (10 + random.integer(11));
  const [first, repeated] = pick(random, [
    ['', '}'],
    ['', ']q\0'],
    ['', ')'],
    ['', 'N'],
    ['', '(K\0K\0e'],
    [']q\0', '(h\0h\0e]q\0'],
    ['X\0\x04\0\0' + 'a'.repeat(1024) + 'q\0', '}h\0'],
    [']q\0', 'h\0\x85q\0'],
    ['', 'ccollections\nOrderedDict\n)R'],
  ]);
  return Buffer.from(`\x80\x02${first}${repeated.repeat(size / repeated.length)}.`, 'latin1');
}

function makeTorchFile(random) {
  const file = pick(random, torchFiles());
  if (file[0] !== 0x50) {
    // The object is its fourth pickle.
    if (chance(random, 0.3)) return damage(random, file);
    const start = file.indexOf(Buffer.from('.\x80\x02ccollections', 'latin1')) + 1;
    return Buffer.concat([file.subarray(0, start), damagePickle(random, file.subarray(start))]);
  }
  if (chance(random, 0.2)) return damage(random, file);
  const entries = zipContents(file).flatMap(([name, content]) => {
    if (name.endsWith('data.pkl')) {
      return [[name, chance(random, 0.003) ? pickleBomb(random) : damagePickle(random, content)]];
    }
    if (chance(random, 0.02)) return [];
    if (chance(random, 0.02)) return [[`${name.slice(0, -1)}${random.integer(10)}`, content]];
    return [[name, chance(random, 0.02) ? damage(random, content) : content]];
  });
  const out = zipOf(entries);
  return chance(random, 0.1) ? damage(random, out) : out;
}

// PNG

/** First column and row, and steps between columns and rows, of each pass of an interlaced file. */
const ADAM7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
];

function makePng(random) {
  const color = pick(random, [0, 2, 3, 4, 6]);
  const depth = pick(random, { 0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16] }[color]);
  const [width, height, interlace] = [1 + random.integer(12), 1 + random.integer(12), random.integer(2)];
  const bits = depth * { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }[color];
  const rows = (interlace ? ADAM7 : [[0, 0, 1, 1]]).flatMap(([x, y, dx, dy]) => {
    const rowBytes = Math.ceil((Math.ceil((width - x) / dx) * bits) / 8);
    const length = Math.max(0, Math.ceil((height - y) / dy));
    return rowBytes > 0
      ? Array.from({ length }, () => Buffer.from([random.integer(5), ...randomBytes(random, rowBytes)]))
      : [];
  });
  const pixels = Buffer.concat(rows);
  if (chance(random, 0.05)) pixels[random.integer(pixels.length)] = random.integer(256);

  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, color, 0, 0, interlace], 8);
  if (chance(random, 0.25)) header.writeUInt32BE(word(random), pick(random, [0, 4]));
  if (chance(random, 0.15))
    header[8 + random.integer(5)] = chance(random, 0.5) ? random.integer(8) : random.integer(256);
  if (chance(random, 0.0005)) {
    header.writeUInt32BE(8192, 0);
    header.writeUInt32BE(8192, 4);
  }
  let data = chance(random, 0.002)
    ? zeros()
    : deflateSync(chance(random, 0.1) ? pixels.subarray(random.integer(pixels.length)) : pixels);
  if (chance(random, 0.15)) data = damage(random, data);

  const cut = random.integer(data.length + 1);
  let chunks = [
    ['IHDR', header],
    ...(color === 3 || chance(random, 0.1)
      ? [['PLTE', randomBytes(random, chance(random, 0.8) ? 768 : random.integer(800))]]
      : []),
    ...(chance(random, 0.2) ? [['tRNS', randomBytes(random, random.integer(8))]] : []),
    ...(chance(random, 0.1) ? [['eXIf', exif(random)]] : []),
    ...(chance(random, 0.1) ? [['gAMA', randomBytes(random, pick(random, [4, 4, 0, 3]))]] : []),
    ...(chance(random, 0.3) ? [['IDAT', data.subarray(0, cut)]] : []),
    ['IDAT', data.subarray(chance(random, 0.9) ? 0 : cut)],
    ['IEND', new Uint8Array(0)],
  ];
  if (chunks.filter(([type]) => type === 'IDAT').length === 2) chunks.at(-2)[1] = data.subarray(cut);
  for (let n = chance(random, 0.3) ? 1 + random.integer(3) : 0; n > 0; n--) {
    const [i, j] = [random.integer(chunks.length), random.integer(chunks.length)];
    const faults = [
      () => chunks.splice(i, 1),
      () => chunks.splice(i, 0, chunks[j]),
      () => ([chunks[i], chunks[j]] = [chunks[j], chunks[i]]),
      () =>
        chunks.splice(i, 0, [
          pick(random, ['tEXt', 'acTL', 'XXXX', 'IHDR', 'IEND', 'IDAT', '\0\0\0\0']),
          randomBytes(random, random.integer(40)),
        ]),
    ];
    pick(random, faults)();
    if (chunks.length === 0) break;
  }
  const file = Buffer.concat([
    Buffer.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    ...chunks.flatMap(([type, content]) => {
      const body = Buffer.concat([Buffer.from(type, 'latin1'), content]);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(chance(random, 0.02) ? word(random) : content.length);
      const sum = Buffer.alloc(4);
      sum.writeUInt32BE(crc32(body));
      return [length, body, sum];
    }),
  ]);
  return chance(random, 0.1) ? damage(random, file) : file;
}

/** An orientation, or what is left of one. */
function exif(random) {
  const block = Buffer.from('4d4d002a00000008000101120003000000010006000000000000', 'hex');
  block[19] = random.integer(10);
  return chance(random, 0.5) ? damage(random, block) : block;
}

async function openFolder() {
  const { openFolder: open } = await load('datasets');
  const folder = temporaryFolder();
  return async (bytes) => {
    writeFileSync(join(folder, 'picture.png'), bytes);
    const dataset = await open(folder);
    return { dataset, pixels: await dataset.image(0) };
  };
}

// Captions

async function openCaptions() {
  const { openFolder: open } = await load('datasets');
  const { encodePng } = await import(new URL('../../packages/images/dist/png.js', import.meta.url));
  const folder = temporaryFolder();
  const png = encodePng({ width: 1, height: 1, channels: 1, data: new Uint8Array(1) });
  for (const name of ['a.png', 'b.png']) writeFileSync(join(folder, name), png);
  const [metadata, text] = ['metadata.jsonl', 'a.txt'].map((name) => join(folder, name));
  return (bytes) => {
    // Captions of all pictures in one file, or of one beside it.
    const isText = bytes.length % 4 === 0;
    writeFileSync(text, isText ? bytes : 'of a');
    writeFileSync(metadata, isText ? '{"file_name": "b.png", "text": "of b"}' : bytes);
    if (!isText) rmSync(text);
    return open(folder, { onSkipped: () => {} });
  };
}

function makeCaptions(random) {
  const lines = ['a.png', 'b.png'].map((name) => {
    const line = JSON.stringify({ file_name: name, text: `what ${name} shows`, other: [1, 2] });
    return chance(random, 0.4) ? damageJson(random, line) : line;
  });
  if (chance(random, 0.1)) lines.push(pick(random, lines), '', 'null', '"x"');
  const bytes = Buffer.from(lines.slice(random.integer(2)).join(pick(random, ['\n', '\r\n', '\n\n'])));
  return chance(random, 0.2) ? damage(random, bytes) : bytes;
}

// IDX

const gzippedZeros = once(() => gzipSync(new Uint8Array(BOMB_BYTES), { level: 9 }));

function makeIdx(random) {
  const shape = [...random.integers(1 + random.integer(4), 6)];
  const header = Buffer.alloc(4 + 4 * shape.length);
  header.set([0, 0, 8, shape.length]);
  shape.forEach((size, i) => header.writeUInt32BE(size, 4 + 4 * i));
  if (chance(random, 0.3)) header.writeUInt32BE(word(random), 4 + 4 * random.integer(shape.length));
  if (chance(random, 0.15)) header[random.integer(4)] = random.integer(256);
  let file = Buffer.concat([header, randomBytes(random, product(shape))]);
  if (chance(random, 0.2)) file = damage(random, file);
  if (chance(random, 0.4)) return file;
  let zipped = gzipSync(file, { level: random.integer(10) });
  // A second member, which belongs to the content.
  if (chance(random, 0.1)) zipped = Buffer.concat([zipped, gzipSync(randomBytes(random, random.integer(20)))]);
  if (chance(random, 0.001)) zipped = Buffer.concat([zipped, gzippedZeros()]);
  if (chance(random, 0.0005)) {
    // As much as it says, or more.
    const size = pick(random, [BOMB_BYTES, BOMB_BYTES - 2 ** 21]);
    zipped = Buffer.concat([gzipSync(Buffer.of(0, 0, 8, 1, size >>> 24, (size >>> 16) & 255, 0, 0)), gzippedZeros()]);
  }
  return chance(random, 0.3) ? damage(random, zipped) : zipped;
}

// CIFAR-10

const noise = once(() => Uint8Array.from({ length: 3 * 3073 }, (_, i) => (i * i * 31) % 251));

function makeCifar10(random) {
  const records = random.integer(4);
  const file = Buffer.from(noise().subarray(0, records * 3073));
  for (let i = 0; i < records; i++) file[i * 3073] = random.integer(chance(random, 0.9) ? 10 : 256);
  if (chance(random, 0.2)) return file.subarray(0, random.integer(file.length + 1));
  return chance(random, 0.5) ? damage(random, file) : file;
}

// Checkpoints

async function openCheckpoint() {
  const { readCheckpoint } = await load('checkpoint');
  const path = join(temporaryFolder(), 'checkpoint.safetensors');
  return (bytes) => {
    writeFileSync(path, bytes);
    return readCheckpoint(path);
  };
}

/** A real one: its header, which is JSON, and its data. */
const wholeCheckpoint = once(async () => {
  const { writeCheckpoint } = await load('checkpoint');
  const path = join(temporaryFolder(), 'checkpoint.safetensors');
  const two = Float32Array.of(1, 2);
  await writeCheckpoint(path, {
    networks: { denoiser: { name: '@ddpm/unet', options: { dim: 28, dimMults: [1, 2, 4], useConvnext: true } } },
    meaning: {
      task: 'denoising',
      image: [28, 28, 1],
      parameterisation: 'epsilon',
      levels: { kind: 'schedule', betas: [0.1, 0.2] },
    },
    step: 100,
    settings: { preset: 'tutorial', batchSize: 128 },
    weights: new Map([['denoiser.conv.w', { shape: [1, 1, 1, 2], data: two }]]),
    state: new Map([
      ['parameters/denoiser.conv.w', two],
      ['optimizer/step', Float64Array.of(100)],
    ]),
  });
  const file = readFileSync(path);
  const end = 8 + Number(file.readBigUInt64LE(0));
  return { header: file.toString('utf8', 8, end), data: file.subarray(end) };
});

async function makeCheckpoint(random) {
  const whole = await wholeCheckpoint();
  const { __metadata__: metadata, ...tensors } = JSON.parse(whole.header);
  for (const key of Object.keys(metadata)) {
    if (chance(random, 0.03)) delete metadata[key];
    else if (chance(random, 0.2)) metadata[key] = damageJson(random, metadata[key]);
    else if (chance(random, 0.05))
      metadata[key] = pick(random, ['', '-1', '1.5', '1e99', 'x\ny', ' 7 ', 'null', '[]', '{}', 'x'.repeat(5000)]);
  }
  const entries = Object.entries(tensors).flatMap(([name, tensor]) => {
    if (chance(random, 0.03)) return [];
    if (chance(random, 0.03)) tensor.dtype = pick(random, ['I32', 'F64', 'BF16', 'F8']);
    return [
      [chance(random, 0.03) ? pick(random, ['x', 'a/b', 'weights/', 'state', '\n/', 'x'.repeat(5000)]) : name, tensor],
    ];
  });
  const header = JSON.stringify(Object.fromEntries([['__metadata__', metadata], ...entries]));
  if (chance(random, 0.3)) return safetensorsFile(random, header, whole.data);
  // Mostly damage to the networks, the settings and the tensors' names is enough, by somebody who puts the checksum
  // right.
  const file = safetensorsBytes(Buffer.from(header), whole.data);
  return chance(random, 0.9) ? withChecksum(file) : file;
}

/** The file with the SHA-256 that belongs to it, if it has a place for one. */
function withChecksum(file) {
  const start = 8 + Number(file.readBigUInt64LE(0));
  const digits = /(?<="sha256":")[0-9a-f]{64}(?=")/.exec(file.toString('latin1', 0, start));
  if (!digits) return file;
  const sha256 = (data) => createHash('sha256').update(data).digest();
  file.write('0'.repeat(64), digits.index, 'latin1');
  const both = Buffer.concat([sha256(file.subarray(0, start)), sha256(file.subarray(start))]);
  file.write(sha256(both).toString('hex'), digits.index, 'latin1');
  return file;
}

// What the networks of a checkpoint mean

async function openMeaning() {
  const { meaningFromJson } = await load('models');
  return (bytes) => {
    let meaning;
    try {
      meaning = JSON.parse(bytes.toString());
    } catch {
      throw new Error('not JSON');
    }
    return meaningFromJson(meaning);
  };
}

function makeMeaning(random) {
  const meaning = {
    task: 'denoising',
    image: [28, 28, 1],
    ...pick(random, [
      { parameterisation: 'epsilon', levels: { kind: 'schedule', betas: [0.1, 0.2, 0.3] } },
      { parameterisation: 'velocity', levels: { kind: 'schedule', betas: [0.1, 0.2, 1] } },
      { parameterisation: 'edm', sigmaData: 0.5, levels: { kind: 'edm', min: 0.002, max: 80 } },
      { parameterisation: 'flow', levels: { kind: 'flow', min: 0.001, max: 999 } },
      { parameterisation: 'image', learnedVariance: 'range', levels: { kind: 'schedule', betas: [0.1, 0.2] } },
    ]),
    ...(chance(random, 0.5) && { classNames: ['shirt', 'boot'] }),
  };
  const text = JSON.stringify(meaning);
  return Buffer.from(chance(random, 0.9) ? damageJson(random, text) : text);
}

// Run configurations

async function openConfig() {
  // The trainer is a command; what reads its configuration is built by itself.
  const app = join(root, 'apps/trainer');
  const out = join(app, 'node_modules/.cache/fuzz');
  const entry = [join(app, 'src/options.ts')];
  const bundled = { noExternal: ['@ddpm/app-common'], external: [/^[@a-z][^:]/] };
  const options = { format: 'esm', platform: 'node', target: 'node20', silent: true, ...bundled };
  await build({ config: false, entry, outDir: out, tsconfig: join(app, 'tsconfig.json'), ...options });
  const { readInvocation } = await import(join(out, 'options.js'));
  const path = join(temporaryFolder(), 'config.json');
  return (bytes) => {
    writeFileSync(path, bytes);
    // A file that a person wrote, or the settings that a checkpoint holds.
    if (bytes.length % 2 === 0) return readInvocation({ config: path });
    try {
      return readInvocation({ resume: 'run' }, { ...JSON.parse(bytes.toString()) });
    } catch (error) {
      if (error instanceof SyntaxError) return readInvocation({ config: path });
      throw error;
    }
  };
}

function makeConfig(random) {
  const settings = {
    ...{
      preset: 'tutorial',
      dataset: 'fashion-mnist',
      flip: true,
      epochs: 5,
      batchSize: 128,
      learningRate: 1e-3,
      loss: 'huber',
    },
    ...{
      task: 'denoise',
      parameterisation: 'epsilon',
      weighting: pick(random, ['none', 'min-snr', 'edm']),
      levelSource: pick(random, ['uniform', 'importance']),
      schedule: 'linear',
      timesteps: 200,
      network: '@ddpm/unet',
      networkOptions: { convnextMult: 2 },
    },
    ...{
      dim: 28,
      dimMults: [1, 2, 4],
      blocks: 'convnext',
      blind: false,
      backend: 'auto',
      seed: 0,
      warmup: 0,
      decay: 'constant',
    },
    ...{ weightDecay: 0, ema: 0.999, accumulate: 1, validation: 0, checkpointEvery: 100, keep: 3, maxSkipped: 10 },
  };
  // A run that is resumed has them all.
  if (chance(random, 0.5)) for (const name of Object.keys(settings)) if (chance(random, 0.2)) delete settings[name];
  const text = JSON.stringify(settings, null, random.integer(3));
  const bytes = Buffer.from(chance(random, 0.9) ? damageJson(random, text) : text);
  return chance(random, 0.15) ? damage(random, bytes) : bytes;
}

function temporaryFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'ddpm-fuzz-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
