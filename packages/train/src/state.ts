import type { State, Values } from './task';

/** The same arrays, their names behind a prefix. */
export function prefixed(prefix: string, arrays: State): [string, Values][] {
  return [...arrays].map(([name, values]) => [prefix + name, values]);
}

/** The arrays whose names begin with a prefix, without it. */
export function under(prefix: string, state: State): State {
  return new Map(
    [...state].filter(([name]) => name.startsWith(prefix)).map(([name, values]) => [name.slice(prefix.length), values]),
  );
}

/** How many differences an error names. */
const NAMED = 4;

/**
 * @param own a state of what is to be restored
 * @throws Error that says what is missing, of another length or type, or unexpected, the first few by name
 */
export function checkState(who: string, own: State, given: State): void {
  const kind = (values: Values) => `${values.length} ${values.constructor.name.replace('Array', '').toLowerCase()}`;
  const wrong: string[] = [];
  for (const [name, expected] of own) {
    const values = given.get(name);
    if (!values) wrong.push(`${name} is missing`);
    else if (kind(values) !== kind(expected)) wrong.push(`${name} should have ${kind(expected)}, not ${kind(values)}`);
  }
  for (const name of given.keys()) if (!own.has(name)) wrong.push(`${name} has no place in it`);
  if (wrong.length === 0) return;
  const more = wrong.length > NAMED ? `; and ${wrong.length - NAMED} more` : '';
  throw new Error(
    `${who}: the state is not one of these parameters and this optimizer: ${wrong.slice(0, NAMED).join('; ')}${more}`,
  );
}
