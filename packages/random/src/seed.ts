/**
 * One step of MurmurHash3 on 32-bit words (Appleby 2011, public domain), finished so that every input bit reaches every
 * output bit.
 */
function hash(words: readonly number[], salt: number): number {
  let h = salt;
  for (const word of words) {
    const k = Math.imul(word, 0xcc9e2d51);
    h ^= Math.imul((k << 15) | (k >>> 17), 0x1b873593);
    h = Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64;
  }
  h ^= words.length * 4;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/**
 * A whole number up to 2^53 − 1, or several of them and names: `[42, 'train', 3]`. Each combination is a stream of its
 * own.
 */
export type Seed = number | readonly (number | string)[];

/** The upper word of a name, which no whole number up to 2^53 has. */
const NAME = 0x40000000;

/** Four 32-bit words, never all zero, that depend on every part of the seed and on the order of the parts. */
export function stateFromSeed(seed: Seed): number[] {
  const words: number[] = [];
  for (const part of typeof seed === 'number' ? [seed] : seed) {
    if (typeof part === 'string') {
      words.push(part.length, NAME, ...Array.from({ length: part.length }, (_, i) => part.charCodeAt(i)));
      continue;
    }
    if (!Number.isSafeInteger(part))
      throw new RangeError(`Random: a seed must be a whole number up to 2^53 − 1, got ${part}`);
    words.push(part | 0, Math.floor(part / 2 ** 32) | 0);
  }
  return [0x9e3779b9, 0x243f6a88, 0xb7e15162, 1].map((salt) => hash(words, salt) || salt);
}
