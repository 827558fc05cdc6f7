// Ways to damage what a reader is given. `random` is a Random of @ddpm/random.

export const pick = (random, values) => values[random.integer(values.length)];
export const chance = (random, probability) => random.uniform() < probability;
export const randomBytes = (random, length) => Uint8Array.from(random.integers(length, 256));

const WORDS = [
  0,
  1,
  2,
  3,
  4,
  7,
  8,
  12,
  28,
  127,
  255,
  256,
  2047,
  65535,
  65536,
  2 ** 24,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 2,
  2 ** 32 - 1,
];
const LONGS = [
  0n,
  1n,
  7n,
  8n,
  9n,
  100_000_000n,
  100_000_001n,
  2n ** 31n,
  2n ** 32n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
];

export const word = (random) => (chance(random, 0.2) ? random.integer(2 ** 16) : pick(random, WORDS));
export const long = (random) => pick(random, LONGS);

/** Bytes with one to six faults: changed, removed, inserted, repeated, cut off, numbers turned into extreme ones. */
export function damage(random, bytes) {
  let out = Buffer.from(bytes);
  for (let n = 1 + random.integer(6); n > 0 && out.length > 0; n--) {
    const at = random.integer(out.length);
    const length = Math.min(random.integer(32), out.length - at);
    switch (random.integer(9)) {
      case 0:
        out[at] = random.integer(256);
        break;
      case 1:
        out[at] ^= 1 << random.integer(8);
        break;
      case 2:
        out[at] = pick(random, [0, 1, 127, 128, 255]);
        break;
      case 3:
        out = out.subarray(0, at);
        break;
      case 4:
        out = Buffer.concat([out.subarray(0, at), out.subarray(at + length)]);
        break;
      case 5:
        out = Buffer.concat([out.subarray(0, at), randomBytes(random, length), out.subarray(at)]);
        break;
      case 6:
        out = Buffer.concat([out.subarray(0, at + length), out.subarray(at)]);
        break;
      case 7:
        if (at + 4 <= out.length) out[chance(random, 0.5) ? 'writeUInt32BE' : 'writeUInt32LE'](word(random), at);
        break;
      default:
        if (at + 8 <= out.length) out.writeBigUInt64LE(long(random), at);
    }
  }
  return out;
}

const VALUES = [
  ...[
    'null',
    'true',
    'false',
    '0',
    '-0',
    '-1',
    '1',
    '0.5',
    '1e-400',
    '1e308',
    '1e999',
    '-1e999',
    '4294967296',
    '9007199254740993',
  ],
  ...[
    '""',
    '"x"',
    '"\\n"',
    '"a\\nb\\u2028"',
    '"\\ud800"',
    '"__proto__"',
    '"constructor"',
    '"toString"',
    '"F32"',
    '"BF16"',
    '"I64"',
  ],
  ...[
    '[]',
    '{}',
    '[[]]',
    '[0]',
    '[1,2]',
    '[0,0]',
    '[8,0]',
    '[-4,4]',
    '[0,1e9]',
    '[4294967296,4294967296]',
    '{"a":1}',
    '{"__proto__":{"x":1}}',
  ],
];
const KEYS = [
  '"__proto__"',
  '"constructor"',
  '"__metadata__"',
  '"toString"',
  '""',
  '"x"',
  '"a\\nb"',
  '"dtype"',
  '"shape"',
  '"data_offsets"',
  '"length"',
];

/**
 * Text that is JSON with one to four of its values and keys replaced by unlikely ones; some nest deep, some are very
 * long, some repeat.
 */
export function damageJson(random, text) {
  let out = text;
  for (let n = 1 + random.integer(4); n > 0; n--) {
    const tokens = [...out.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?|-?\d[\d.eE+-]*|true|false|null|\[[^[\]{}]*\]/g)];
    if (tokens.length === 0) return out;
    const { 0: token, 1: colon, index } = pick(random, tokens);
    const replace = (by) => out.slice(0, index) + by + out.slice(index + token.length);
    if (colon) out = replace(`${pick(random, KEYS)}:`);
    else if (chance(random, 0.95)) out = replace(chance(random, 0.1) ? `${token},${token}` : pick(random, VALUES));
    else out = replace(excess(random));
  }
  return chance(random, 0.05) ? Buffer.from(damage(random, Buffer.from(out))).toString('latin1') : out;
}

/** A value that is very long or nests very deep. */
function excess(random) {
  const size = 10 ** (1 + random.integer(5));
  const [open, close] = pick(random, [
    ['[', ']'],
    ['{"a":', '}'],
  ]);
  const values = [
    () => `${open.repeat(size)}1${chance(random, 0.8) ? close.repeat(size) : ''}`,
    () => `"${'ab\\n'.repeat(size / 4)}"`,
    () => `[${'1,'.repeat(size / 2)}1]`,
    () => '1'.repeat(size),
  ];
  return pick(random, values)();
}
