import type { Facts } from './facts';
import { factsOf } from './facts';
import type { Look, Part, Portrait } from './portrait';
import { COLOURS, PARTS } from './portrait';
import type { Style } from './style';
import { SIDE, loadStyle, paint } from './style';

/** The facts that are read from a picture, and how far it is from showing them alone. */
export interface Reading {
  readonly facts: Facts;
  /** How far the picture is from the portrait that it is taken for: the mean difference of a value, in levels of 256. */
  readonly error: number;
}

/** Shapes as a layer over the values below them: value · through + added. */
interface Layer {
  /** For each pixel. */
  readonly through: Float32Array;
  /** Three for each pixel. */
  readonly added: Float32Array;
}

/** A look as a layer of the pixels that it covers. */
interface Choice extends Layer {
  readonly look?: Look;
  /** Whether it need not be there. */
  readonly extra: boolean;
  readonly pixels: readonly number[];
}

const PIXELS = SIDE * SIDE;
// Looked up once, since the search spends its time on it.
const { abs } = Math;
const NOTHING: Choice = { extra: false, pixels: [], through: new Float32Array(), added: new Float32Array() };
/** The order in which parts are found: large ones first. */
const ORDER: readonly Part[] = ['skin', 'clothing', 'hair', 'hat', 'glasses', 'eyes', 'mouth', 'beard', 'accessories'];
/** Parts of which the first hides the other, so that neither is found without the other. */
const PAIRS: readonly (readonly [Part, Part])[] = [
  ['hat', 'hair'],
  ['glasses', 'eyes'],
  ['beard', 'mouth'],
];
/** Parts that not every portrait has. */
const OPTIONAL: ReadonlySet<Part> = new Set(['accessories', 'beard', 'glasses', 'hat']);
/** Each of them must bring the portrait nearer by this share of the distance, or it is taken to be noise. */
const EXTRA = 0.03;

/**
 * Makes what reads from a picture of 16×16×3 bytes what it shows, by drawing: the portrait that is nearest to the
 * picture (by the mean absolute difference) is looked for, each part in each drawing and colour.
 * @throws Error, one line, if @dicebear/core and @dicebear/pixel-art are not installed
 */
export async function portraitReader(): Promise<(pixels: Uint8Array) => Reading> {
  const style = await loadStyle();
  const choices = PARTS.map((part) => choicesOf(style, part));
  return (pixels) => {
    if (pixels.length !== 3 * PIXELS)
      throw new RangeError(`portraitReader: expected ${SIDE}×${SIDE}×3 bytes, got ${pixels.length}`);
    let best = descend(choices, pixels, { chosen: PARTS.map(() => NOTHING), score: Infinity }, ORDER);
    for (const [over, under] of PAIRS) {
      for (const choice of choices[PARTS.indexOf(over)]) {
        const start = { chosen: best.chosen.map((other, i) => (PARTS[i] === over ? choice : other)), score: Infinity };
        const other = descend(choices, pixels, start, [under, over], 1);
        if (other.score < best.score) best = other;
      }
      best = descend(choices, pixels, best, ORDER);
    }
    const portrait: Portrait = Object.fromEntries(PARTS.map((part, i) => [part, best.chosen[i].look]));
    const painting = paint(style, portrait);
    const error = pixels.reduce((sum, value, i) => sum + Math.abs(value - painting.pixels[i]), 0) / pixels.length;
    return { facts: factsOf(portrait, painting.seen), error };
  };
}

/** Looks for a portrait, and how far it is from the picture. */
interface Found {
  readonly chosen: readonly Choice[];
  readonly score: number;
}

/** Improves one part after the other until nothing improves, or as many times as are given. */
function descend(
  choices: readonly (readonly Choice[])[],
  pixels: Uint8Array,
  start: Found,
  parts: readonly Part[],
  times = Infinity,
): Found {
  let found = start;
  for (let time = 0; time < times; time++) {
    const before = found.score;
    for (const part of parts) found = improve(choices, pixels, found, PARTS.indexOf(part));
    if (found.score === before) break;
  }
  return found;
}

/** The best of all choices for one part. */
function improve(
  choices: readonly (readonly Choice[])[],
  pixels: Uint8Array,
  { chosen, score: start }: Found,
  part: number,
): Found {
  const [below, above] = [compose(chosen.slice(0, part)), compose(chosen.slice(part + 1))];
  const under = below.added.map((value, i) => 255 * below.through[Math.floor(i / 3)] + value);
  const distance = (p: number, through: number, added: Float32Array, at: number) => {
    let sum = 0;
    for (let k = 0; k < 3; k++) {
      const value = under[3 * p + k] * through + added[at + k];
      sum += abs(value * above.through[p] + above.added[3 * p + k] - pixels[3 * p + k]);
    }
    return sum;
  };
  const without = Float64Array.from({ length: PIXELS }, (_, p) => distance(p, 1, ZEROS, 0));
  const all = without.reduce((sum, value) => sum + value, 0);
  const extras = chosen.filter(({ extra }, i) => extra && i !== part).length;
  let [best, score] = [chosen[part], start];
  for (const choice of choices[part]) {
    let total = all;
    for (let j = 0; j < choice.pixels.length; j++) {
      const p = choice.pixels[j];
      total += distance(p, choice.through[j], choice.added, 3 * j) - without[p];
    }
    total *= 1 + EXTRA * (extras + (choice.extra ? 1 : 0));
    // Sums in another order differ in their last digits.
    if (total < score - 0.01) [best, score] = [choice, total];
  }
  return score < start ? { chosen: chosen.map((other, i) => (i === part ? best : other)), score } : { chosen, score };
}

const ZEROS = new Float32Array(3);

/** Layers as one of the whole picture. */
function compose(choices: readonly Choice[]): Layer {
  const through = new Float32Array(PIXELS).fill(1);
  const added = new Float32Array(3 * PIXELS);
  for (const choice of choices) {
    choice.pixels.forEach((p, j) => {
      through[p] *= choice.through[j];
      for (let k = 0; k < 3; k++) added[3 * p + k] = added[3 * p + k] * choice.through[j] + choice.added[3 * j + k];
    });
  }
  return { through, added };
}

/** Every way that a part can look, beginning with not at all where it need not be there. */
function choicesOf(style: Style, part: Part): Choice[] {
  const choices = style.variants[part].flatMap((variant) =>
    Object.keys(COLOURS[part === 'beard' ? 'hair' : part]).map((colour): Choice => {
      const fills = style.fills(part, variant, colour);
      const whole = compose(
        fills.map(({ pixels, colour: values, alpha }) => ({
          extra: false,
          pixels,
          through: new Float32Array(pixels.length).fill(1 - alpha / 255),
          added: Float32Array.from({ length: 3 * pixels.length }, (_, i) => values[i % 3]),
        })),
      );
      const pixels = [...new Set(fills.flatMap((fill) => fill.pixels))];
      return {
        look: { variant, colour },
        extra: OPTIONAL.has(part),
        pixels,
        through: Float32Array.from(pixels, (p) => whole.through[p]),
        added: Float32Array.from(
          { length: 3 * pixels.length },
          (_, i) => whole.added[3 * pixels[Math.floor(i / 3)] + (i % 3)],
        ),
      };
    }),
  );
  return OPTIONAL.has(part) ? [NOTHING, ...choices] : choices;
}
