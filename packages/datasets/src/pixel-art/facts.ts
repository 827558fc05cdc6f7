import type { Part, Portrait } from './portrait';
import { COLOURS } from './portrait';

/** The facts that are seen of a portrait, in words; what is not seen is missing. */
export interface Facts {
  /** Its colour. */
  readonly hair?: string;
  readonly length?: 'long' | 'short';
  readonly beard?: 'beard';
  readonly glasses?: 'dark' | 'light';
  readonly mouth?: 'happy' | 'sad';
  readonly earrings?: string;
  readonly clothes?: string;
  readonly hat?: string;
}

/** As many pixels of a part must be seen to speak of it. */
const LEAST_SEEN: Readonly<Record<Part, number>> = {
  skin: 1,
  accessories: 2,
  clothing: 4,
  eyes: 1,
  glasses: 2,
  beard: 4,
  mouth: 1,
  hair: 4,
  hat: 4,
};

/** @param seen how many pixels of each part are seen */
export function factsOf(portrait: Portrait, seen: Readonly<Record<Part, number>>): Facts {
  const look = (part: Part) => (seen[part] >= LEAST_SEEN[part] ? portrait[part] : undefined);
  const { hair, glasses, mouth, accessories, clothing, hat } = Object.fromEntries(
    (['hair', 'glasses', 'mouth', 'accessories', 'clothing', 'hat'] as const).map((part) => [part, look(part)]),
  );
  return {
    ...(hair && { hair: COLOURS.hair[hair.colour], length: hair.variant.startsWith('long') ? 'long' : 'short' }),
    ...(look('beard') && { beard: 'beard' }),
    ...(glasses && { glasses: glasses.variant.startsWith('dark') ? 'dark' : 'light' }),
    ...(mouth && { mouth: mouth.variant.startsWith('happy') ? 'happy' : 'sad' }),
    ...(accessories && { earrings: COLOURS.accessories[accessories.colour] }),
    ...(clothing && { clothes: COLOURS.clothing[clothing.colour] }),
    ...(hat && { hat: COLOURS.hat[hat.colour] }),
  };
}
