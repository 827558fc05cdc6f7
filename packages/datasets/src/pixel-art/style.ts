import type * as PixelArt from '@dicebear/pixel-art';
import { firstLine } from '../errors';
import type { Fill } from './fills';
import { blend, fillsOf } from './fills';
import type { Part, Portrait } from './portrait';
import { PARTS } from './portrait';

/** Height and width of a portrait. */
export const SIDE = 16;

/** The style that draws portraits, DiceBear's, each drawing of which is read once. */
export interface Style {
  /** The names of each part's drawings. */
  readonly variants: Readonly<Record<Part, readonly string[]>>;
  /** The shapes of one part, in the colour that it has. */
  fills(part: Part, variant: string, colour: string): readonly Fill[];
}

/**
 * DiceBear's pixel-art style (https://www.dicebear.com/styles/pixel-art; the drawings CC0 1.0, the code MIT).
 * @throws Error, one line, if its packages are not installed
 */
export async function loadStyle(): Promise<Style> {
  let style: typeof PixelArt;
  try {
    style = await import('@dicebear/pixel-art');
  } catch (error) {
    const absent = (error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND';
    const reason = absent ? '' : ` (installed, but it does not load: ${firstLine(error)})`;
    throw new Error(
      `pixel-art: its portraits are drawn by DiceBear: npm install @dicebear/core@9 @dicebear/pixel-art@9${reason}`,
      { cause: error },
    );
  }
  const read = new Map<string, readonly Fill[]>();
  return {
    variants: variantsOf(style),
    fills(part, variant, colour) {
      const key = `${part} ${variant} ${colour}`;
      let fills = read.get(key);
      if (!fills) {
        fills = fillsOf(svgBody(style, { [part]: { variant, colour } }), SIDE);
        // Every drawing begins with the two shapes of the skin.
        if (part !== 'skin') fills = fills.slice(fillsOf(svgBody(style, {}), SIDE).length);
        read.set(key, fills);
      }
      return fills;
    },
  };
}

/** The elements of a portrait's SVG, whose viewBox is 0 0 16 16, as DiceBear draws it. */
export function svgBody(style: typeof PixelArt, portrait: Portrait): string {
  const options: Record<string, unknown> = {};
  for (const part of PARTS) {
    const look = portrait[part] ?? (part === 'hair' ? portrait.beard : undefined);
    // The style draws a part that has no variants to choose from not at all.
    options[part] = portrait[part] ? [portrait[part].variant] : [];
    options[`${part}Probability`] = 100;
    options[`${part}Color`] = [look?.colour ?? '000000'];
  }
  return style.create({ prng: first, options }).body;
}

/** Chooses the first, or the only one. */
const first = {
  seed: '',
  next: () => undefined,
  bool: () => true,
  integer: (min: number) => min,
  pick: <T>(values: T[], fallback?: T) => values[0] ?? fallback,
  shuffle: <T>(values: T[]) => values,
  string: () => '',
} as Parameters<typeof PixelArt.create>[0]['prng'];

function variantsOf({ schema }: typeof PixelArt): Record<Part, readonly string[]> {
  const properties = schema.properties as Record<string, { default?: unknown } | undefined>;
  return Object.fromEntries(
    PARTS.map((part) => {
      const names = part === 'skin' ? [''] : properties[part]?.default;
      if (!Array.isArray(names)) throw new Error(`pixel-art: this @dicebear/pixel-art has no ${part}; expected 9.4`);
      return [part, (names as string[]).toSorted()];
    }),
  ) as unknown as Record<Part, readonly string[]>;
}

/** A portrait painted on white. */
export interface Painting {
  /** 16 · 16 · 3 bytes. */
  readonly pixels: Uint8Array;
  /** How many pixels of each part are seen: not hidden by others, and hiding at least a quarter of what is below. */
  readonly seen: Readonly<Record<Part, number>>;
}

/** Paints a portrait as SVG renderers do: each shape over those before it. */
export function paint(style: Style, portrait: Portrait): Painting {
  const pixels = new Uint8Array(SIDE * SIDE * 3).fill(255);
  const owner = new Int8Array(SIDE * SIDE).fill(-1);
  PARTS.forEach((part, number) => {
    const look = portrait[part];
    if (!look) return;
    for (const fill of style.fills(part, look.variant, look.colour)) {
      for (const p of fill.pixels) {
        for (let k = 0; k < 3; k++) pixels[3 * p + k] = blend(pixels[3 * p + k], fill, k);
        if (fill.alpha >= 64) owner[p] = number;
      }
    }
  });
  const seen = Object.fromEntries(PARTS.map((part) => [part, 0])) as Record<Part, number>;
  for (const number of owner) if (number >= 0) seen[PARTS[number]]++;
  return { pixels, seen };
}
