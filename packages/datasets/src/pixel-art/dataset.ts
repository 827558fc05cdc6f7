import { Random } from '@ddpm/random';
import type { Dataset } from '../dataset';
import type { Size } from '../shape';
import type { Split } from '../split';
import { freeCaption, fullCaption } from './captions';
import type { Facts } from './facts';
import { factsOf } from './facts';
import type { Portrait } from './portrait';
import { drawPortrait, isHeldOut } from './portrait';
import { SIDE, loadStyle, paint } from './style';

/** How many portraits each split has. */
const SIZES: Readonly<Record<Split, number>> = { train: 50_000, test: 5_000, 'held-out': 5_000 };
/** How many captions each has: a full one, and free ones. */
const CAPTIONS = 8;

/** Portraits of which it is known what is to be seen on them. */
export interface Portraits extends Dataset {
  /** The facts of portrait i. */
  facts(i: number): Facts;
  /** Captions of portrait i: all that is seen, in plain words, and then seven in other words and orders. */
  captions(i: number): readonly string[];
}

/**
 * Portraits of 16×16 pixels (RGB, on white) with captions, made from a seed and drawn in DiceBear's pixel-art style when
 * they are asked for. `train` and `test` lack some combinations of colours, and `held-out` has nothing but them.
 * @param options.side 16, or a multiple of it: each pixel becomes a square
 * @throws Error, one line, if @dicebear/core and @dicebear/pixel-art are not installed
 * @throws RangeError unless the side is a multiple of 16
 */
export async function openPixelArt({
  split = 'train',
  side = SIDE,
  seed = 0,
}: { split?: Split; side?: number; seed?: number } = {}): Promise<Portraits> {
  if (!(Number.isSafeInteger(side / SIDE) && side >= SIDE))
    throw new RangeError(`pixel-art: the side must be a multiple of ${SIDE}, got ${side}`);
  const style = await loadStyle();
  const portrait = (i: number): Portrait => {
    const rng = new Random([seed, 'pixel-art', split, i]);
    for (;;) {
      const drawn = drawPortrait(rng, style.variants);
      if (isHeldOut(drawn) === (split === 'held-out')) return drawn;
    }
  };
  const make = (i: number) => {
    const drawn = portrait(i);
    const { pixels, seen } = paint(style, drawn);
    const facts = factsOf(drawn, seen);
    const rng = new Random([seed, 'pixel-art', split, i, 'captions']);
    const captions = [fullCaption(facts), ...Array.from({ length: CAPTIONS - 1 }, () => freeCaption(facts, rng))];
    return { pixels: enlarged(pixels, side / SIDE), facts, captions };
  };
  // Each is made once: all that are of 16×16 take less than 100 MB.
  const made = new Map<number, ReturnType<typeof make>>();
  const one = (i: number) => {
    const before = made.get(i);
    if (before) return before;
    const now = make(i);
    made.set(i, now);
    return now;
  };
  return {
    size: SIZES[split],
    shape: [side, side, 3],
    image: (i) => one(i).pixels,
    facts: (i) => one(i).facts,
    captions: (i) => one(i).captions,
  };
}

/** The side that portraits are drawn with before they are brought to a size: the size's, if its pixels can be squares. */
export function pixelArtSide(size: Size = [SIDE, SIDE]): number {
  return size[0] === size[1] && size[0] % SIDE === 0 ? size[0] : SIDE;
}

/** Each pixel as a square of `factor` × `factor`. */
function enlarged(pixels: Uint8Array, factor: number): Uint8Array {
  if (factor === 1) return pixels;
  const side = SIDE * factor;
  return Uint8Array.from({ length: side * side * 3 }, (_, at) => {
    const [y, x, k] = [Math.floor(at / 3 / side), Math.floor(at / 3) % side, at % 3];
    return pixels[3 * (Math.floor(y / factor) * SIDE + Math.floor(x / factor)) + k];
  });
}
