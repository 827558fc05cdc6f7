import { fullCaption } from './captions';
import type { Facts } from './facts';

/** Words of captions, and others that say the same, of which no caption has any. */
const UNSEEN = {
  hair: { red: 'crimson', green: 'emerald', blue: 'azure', brown: 'chestnut', blonde: 'golden' },
  clothes: { red: 'crimson', green: 'emerald', blue: 'azure' },
  hat: { red: 'crimson', green: 'emerald', blue: 'azure', purple: 'violet' },
} as const;
const THINGS = { glasses: 'spectacles', hat: 'cap' } as const;

/** A caption in words that training has never seen, and the facts that it says by them. */
export interface UnseenWords {
  /** All that is seen: "long emerald hair, dark spectacles, sad mouth, crimson shirt, azure cap". */
  readonly caption: string;
  /** Those of hair, clothes, hat and glasses that it has such a word for. */
  readonly facts: Facts;
}

/**
 * Facts in words that no caption has, where there are some: who draws what they say knows the language, or has learned
 * nothing of it.
 */
export function unseenWords(facts: Facts): UnseenWords {
  const said: { -readonly [K in keyof Facts]: Facts[K] } = {};
  const changed: { -readonly [K in keyof Facts]: Facts[K] } = { ...facts };
  for (const part of ['hair', 'clothes', 'hat'] as const) {
    const colour = facts[part];
    const other = colour === undefined ? undefined : (UNSEEN[part] as Readonly<Record<string, string>>)[colour];
    if (other !== undefined) [said[part], changed[part]] = [colour, other];
  }
  // A thing that has another word is asked for by it, whatever its colour is called.
  if (facts.glasses) said.glasses = facts.glasses;
  if (facts.hat) said.hat = facts.hat;
  const caption = fullCaption(changed)
    .replace(/\bglasses\b/, THINGS.glasses)
    .replace(/\bhat\b/, THINGS.hat);
  return { caption, facts: said };
}
