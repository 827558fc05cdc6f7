import type { Random } from '@ddpm/random';

/** The parts that a portrait is drawn of, from below to above. */
export const PARTS = ['skin', 'accessories', 'clothing', 'eyes', 'glasses', 'beard', 'mouth', 'hair', 'hat'] as const;

/** A part of a portrait. */
export type Part = (typeof PARTS)[number];

/** How a part looks: which of its drawings, and its colour as six hexadecimal digits. */
export interface Look {
  /** Such as `long07`; '' for the skin, which has one drawing. */
  readonly variant: string;
  readonly colour: string;
}

/** A portrait's parts; one that is missing is not drawn. A beard has the hair's colour. */
export type Portrait = Readonly<Partial<Record<Part, Look>>>;

/**
 * The colours of each part and their words. Hair, clothes and hats have those of DiceBear's that are told apart at a
 * glance, one for each word; what captions do not name has them all.
 */
export const COLOURS: Readonly<Record<Exclude<Part, 'beard'>, Readonly<Record<string, string>>>> = {
  skin: named('ffdbac f5cfa0 eac393 e0b687 cb9e6e b68655 a26d3d 8d5524'),
  accessories: { ffd700: 'gold', a9a9a9: 'silver' },
  clothing: {
    '5bc0de': 'light blue',
    '428bca': 'blue',
    '03396c': 'navy',
    '88d8b0': 'mint',
    '00b159': 'green',
    ff6f69: 'coral',
    d11141: 'red',
    ffeead: 'cream',
    ffc425: 'yellow',
  },
  eyes: named('76778b 697b94 647b90 5b7c8b 588387 876658'),
  glasses: named('4b4b4b 323232 191919 43677d 5f705c a04b5d'),
  mouth: named('d29985 c98276 e35d6a de0f0d'),
  hair: {
    '28150a': 'black',
    '83623b': 'brown',
    cab188: 'blonde',
    '611c17': 'auburn',
    bd1700: 'red',
    '91cb15': 'green',
    '009bbd': 'blue',
  },
  hat: {
    '2e1e05': 'black',
    '2663a3': 'blue',
    '989789': 'gray',
    '3d8a6b': 'green',
    cc6192: 'pink',
    '614f8a': 'purple',
    a62116: 'red',
  },
};

/** How often a part is there; the others always are. */
const PROBABILITY: Readonly<Partial<Record<Part, number>>> = { accessories: 0.1, beard: 0.1, glasses: 0.3, hat: 0.3 };

/** Colours that have no words. */
function named(colours: string): Record<string, string> {
  return Object.fromEntries(colours.split(' ').map((colour) => [colour, '']));
}

/**
 * A portrait, each part drawn on its own.
 * @param variants the names of each part's drawings
 */
export function drawPortrait(rng: Random, variants: Readonly<Record<Part, readonly string[]>>): Portrait {
  const one = <T>(values: readonly T[]) => values[rng.integer(values.length)];
  const portrait: Partial<Record<Part, Look>> = {};
  const hairColour = one(Object.keys(COLOURS.hair));
  for (const part of PARTS) {
    // Drawn even where the part is not there, so that what one part is says nothing of another.
    const there = rng.uniform() < (PROBABILITY[part] ?? 1);
    const variant = one(variants[part]);
    const colour = part === 'hair' || part === 'beard' ? hairColour : one(Object.keys(COLOURS[part]));
    if (there) portrait[part] = { variant, colour };
  }
  return portrait;
}

/**
 * Whether a portrait has a combination of colours that the training split lacks: hair with clothes (9 of 63), and hair
 * with hats (7 of 49). With the colours of hair h, clothes c and hats k counted as `COLOURS` lists them, those with
 * h + c = 0 and h + k = 3 modulo 7, so that every colour is trained on in most combinations.
 */
export function isHeldOut({ hair, clothing, hat }: Portrait): boolean {
  const number = (part: 'hair' | 'clothing' | 'hat', look?: Look) =>
    look ? Object.keys(COLOURS[part]).indexOf(look.colour) : NaN;
  const h = number('hair', hair);
  return (h + number('clothing', clothing)) % 7 === 0 || (h + number('hat', hat)) % 7 === 3;
}
