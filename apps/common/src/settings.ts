import { z } from 'zod';

// What options may hold; each message is the end of a sentence that begins with the option's name.
export const oneOf = <T extends string>(names: readonly T[]) =>
  z.enum(names as [T, ...T[]], { error: `must be one of ${names.join(', ')}` });
export const wholeNumber = (least = Number.MIN_SAFE_INTEGER) => {
  const error =
    least === Number.MIN_SAFE_INTEGER ? 'must be a whole number' : `must be a whole number of at least ${least}`;
  return z.int({ error }).min(least, error);
};
export const aboveZero = () => z.number({ error: 'must be a number above 0' }).positive('must be a number above 0');

/** A number where the text is one; otherwise the text, for the schema to refuse. */
export const number = (text: string): number | string =>
  text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text);

/** batchSize → batch-size. */
export const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** A value as it is shown in a message: on one line, and not too long. */
export function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  let text: string;
  try {
    // JSON knows no Infinity.
    if (typeof value === 'number') text = String(value);
    else text = typeof value === 'string' ? `'${value.replace(/\s+/g, ' ')}'` : JSON.stringify(value);
  } catch {
    return 'what nests too deep';
  }
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
export const atLeastZero = () => {
  const error = 'must be a number of at least 0';
  return z.number({ error }).nonnegative(error);
};
export const fraction = () => {
  const error = 'must be a number from 0 to 1';
  return z.number({ error }).min(0, error).max(1, error);
};
