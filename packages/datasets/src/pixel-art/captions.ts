import type { Random } from '@ddpm/random';
import type { Facts } from './facts';

/** Ways to say each thing that is seen, in the order of a full caption; the plain one comes first. */
function phrases({ hair, length, beard, glasses, mouth, earrings, clothes, hat }: Facts): (readonly string[])[] {
  return [
    hair && [`${length} ${hair} hair`, `${hair} hair`, `${hair} ${length} hair`],
    beard && ['beard', 'bearded'],
    glasses && (glasses === 'dark' ? ['dark glasses', 'sunglasses'] : ['light glasses', 'glasses']),
    mouth && (mouth === 'happy' ? ['happy mouth', 'happy', 'smiling'] : ['sad mouth', 'sad', 'frowning']),
    earrings && [`${earrings} earrings`, 'earrings'],
    clothes && [`${clothes} shirt`, `${clothes} clothes`, `${clothes} top`],
    hat && [`${hat} hat`, `wearing a ${hat} hat`],
  ].filter((words): words is string[] => Array.isArray(words));
}

/** All that is seen, in a fixed order and plain words: "long green hair, dark glasses, sad mouth, red shirt, blue hat". */
export function fullCaption(facts: Facts): string {
  return phrases(facts)
    .map(([plain]) => plain)
    .join(', ');
}

/** Some of what is seen (each thing with the probability 0.8, but one at least), in any order and any of its words. */
export function freeCaption(facts: Facts, rng: Random): string {
  const all = rng.shuffle(phrases(facts));
  const some = all.filter(() => rng.uniform() < 0.8);
  return (some.length > 0 ? some : all.slice(0, 1)).map((words) => words[rng.integer(words.length)]).join(', ');
}
