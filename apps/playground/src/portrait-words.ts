/* What may be said of a portrait, as attributes: a caption of phrases, some of which say an attribute. */

export interface Attribute {
  readonly name: string;
  readonly values: readonly string[];
}

const hair = ['black', 'brown', 'blonde', 'auburn', 'red', 'green', 'blue'];
const length = ['long', 'short'];
const shirt = ['light blue', 'blue', 'navy', 'mint', 'green', 'coral', 'red', 'cream', 'yellow'];
const hat = ['black', 'blue', 'gray', 'green', 'pink', 'purple', 'red'];

export const attributes: readonly Attribute[] = [
  { name: 'hair', values: hair },
  { name: 'length', values: length },
  { name: 'shirt', values: shirt },
  { name: 'hat', values: hat },
  { name: 'glasses', values: ['dark', 'light'] },
  { name: 'mouth', values: ['happy', 'sad'] },
  { name: 'earrings', values: ['gold', 'silver'] },
  { name: 'beard', values: ['beard'] },
];

/** Attributes by their names, and the phrases that say none. */
export interface Said {
  readonly facts: Readonly<Record<string, string>>;
  readonly rest: readonly string[];
}

const among = (values: readonly string[]) => `(${values.join('|')})`;
const patterns: readonly (readonly [pattern: RegExp, names: readonly string[]])[] = [
  [new RegExp(`^(?:${among(length)} )?(?:${among(hair)} )?hair$`), ['length', 'hair']],
  [new RegExp(`^${among(hair)} ${among(length)} hair$`), ['hair', 'length']],
  [new RegExp(`^${among(shirt)} (?:shirt|clothes|top)$`), ['shirt']],
  [new RegExp(`^(?:wearing a )?${among(hat)} hat$`), ['hat']],
  [/^(dark|light) glasses$/, ['glasses']],
  [/^(happy|sad) mouth$/, ['mouth']],
  [/^(gold|silver) earrings$/, ['earrings']],
  [/^(beard)$/, ['beard']],
];

/** Reads a caption. */
export function read(caption: string): Said {
  const facts: Record<string, string> = {};
  const rest: string[] = [];
  for (const phrase of caption.split(',').map((one) => one.trim())) {
    if (phrase === '') continue;
    const found = patterns
      .map(([pattern, names]) => ({ names, match: pattern.exec(phrase.toLowerCase()) }))
      .find(({ match }) => match?.slice(1).some((value) => value !== undefined));
    if (found) found.names.forEach((name, i) => found.match![i + 1] && (facts[name] = found.match![i + 1]));
    else rest.push(phrase);
  }
  return { facts, rest };
}

/** The caption that says so, in the order and words of the captions that the model was trained on. */
export function write({ facts, rest }: Said): string {
  const { hair: colour, length: how, beard, glasses, mouth, earrings, shirt: top, hat: cap } = facts;
  return [
    (colour || how) && [how, colour, 'hair'].filter(Boolean).join(' '),
    beard,
    glasses && `${glasses} glasses`,
    mouth && `${mouth} mouth`,
    earrings && `${earrings} earrings`,
    top && `${top} shirt`,
    cap && `${cap} hat`,
    ...rest,
  ]
    .filter(Boolean)
    .join(', ');
}

/** The caption with an attribute, or without it where it says so already. */
export function toggled(caption: string, name: string, value: string): string {
  const { facts, rest } = read(caption);
  const { [name]: before, ...others } = facts;
  return write({ facts: before === value ? others : { ...facts, [name]: value }, rest });
}
