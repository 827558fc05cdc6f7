import type { Facts } from './facts';

/** Of those who were asked for something, how many show it. */
export interface Share {
  readonly asked: number;
  readonly right: number;
}

/** The attributes of portraits that are checked. */
const ATTRIBUTES = ['hair', 'clothes', 'hat', 'glasses'] as const;

/** How far portraits show what was asked for: colours of hair, clothes and hats, the kind of glasses, and all colours. */
export type Agreement = Readonly<Record<'hair' | 'clothes' | 'hat' | 'glasses' | 'colours', Share>>;

/**
 * Compares what portraits were to show with what is read from them. What was not asked for does not count.
 * @param asked of each portrait, as its caption says it
 * @param read of each portrait, as `portraitReader` reads it
 * @throws RangeError unless they are as many
 */
export function agreement(asked: readonly Facts[], read: readonly Facts[]): Agreement {
  if (asked.length !== read.length)
    throw new RangeError(`agreement: ${asked.length} portraits were asked for, and ${read.length} were read`);
  const shares = ATTRIBUTES.map((attribute): Share => {
    const those = asked.flatMap((facts, i) => (facts[attribute] === undefined ? [] : [i]));
    return { asked: those.length, right: those.filter((i) => read[i][attribute] === asked[i][attribute]).length };
  });
  const [hair, clothes, hat, glasses] = shares;
  const sum = (of: keyof Share) => hair[of] + clothes[of] + hat[of];
  return { hair, clothes, hat, glasses, colours: { asked: sum('asked'), right: sum('right') } };
}
