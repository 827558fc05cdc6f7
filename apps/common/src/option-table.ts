import type { Command } from 'commander';
import { Option } from 'commander';
import { z } from 'zod';
import { UsageError } from './errors';
import { kebab, show } from './settings';

/** One option: all that the command line, the checks, the config file and the README say of it. */
export interface OptionSpec<T extends z.ZodType = z.ZodType> {
  /** As it stands on the command line: `--image-size <pixels>`; `--no-clip` turns off what is on. */
  readonly flag: string;
  /** The flag that turns it off again: `--no-flip` beside `--flip`. */
  readonly opposite?: string;
  /** Its explanation, as `--help` and the README give it. */
  readonly does: string;
  /** Its allowed values; a message is the end of a sentence that begins with the option's name. */
  readonly schema: T;
  /**
   * The meaning of a text on the command line; the text itself by default. What cannot be read is left for the schema
   * to refuse.
   */
  readonly read?: (text: string) => unknown;
  /** Whether it may change where work that was begun goes on. */
  readonly changeable?: boolean;
  /** Whether it is a part of what a model is, which weights that are begun with bring with them. */
  readonly inherited?: boolean;
}

/** Options by the name of their setting, under the headings of `--help`. */
export type OptionTable = Readonly<Record<string, Readonly<Record<string, OptionSpec>>>>;

type Rows<T extends OptionTable> = { [G in keyof T]: { [K in keyof T[G]]: [K, T[G][K]] }[keyof T[G]] }[keyof T];
/** The settings that a table's options make. */
export type SettingsOf<T extends OptionTable> = {
  [R in Rows<T> as undefined extends z.infer<R[1]['schema']> ? never : R[0] & string]: z.infer<R[1]['schema']>;
} & {
  [R in Rows<T> as undefined extends z.infer<R[1]['schema']> ? R[0] & string : never]?: z.infer<R[1]['schema']>;
};

const rowsOf = (table: OptionTable) => Object.values(table).flatMap((group) => Object.entries(group));

/** Adds a table's options to a command, under their headings. */
export function addOptions(command: Command, table: OptionTable): Command {
  for (const [heading, group] of Object.entries(table)) {
    for (const [name, { flag, opposite, does, read }] of Object.entries(group)) {
      const option = new Option(flag, does).helpGroup(`${heading}:`);
      if (option.attributeName() !== name)
        throw new Error(`option table: ${flag} sets ${option.attributeName()}, not ${name}`);
      command.addOption(read ? option.argParser(read) : option);
      if (opposite) command.addOption(new Option(opposite, `not ${flag}`).helpGroup(`${heading}:`));
    }
  }
  return command;
}

/** The schema of all of a table's settings together. */
export const schemaOf = (table: OptionTable) =>
  z.strictObject(Object.fromEntries(rowsOf(table).map(([name, { schema }]) => [name, schema])));

/** How many problems an error names. */
const NAMED = 5;

/**
 * Settings, checked.
 * @param where stands before the names of a file's settings, which are called as they are there; without it they are
 * called as options
 * @param unknown what to say of a name that is no setting
 * @throws UsageError in one line that names each option, what it allows and what came
 */
export function checkSettings<T extends OptionTable>(
  table: T,
  settings: Readonly<Record<string, unknown>>,
  { where, unknown = () => '' }: { where?: string; unknown?: (name: string) => string } = {},
): SettingsOf<T> {
  let result: ReturnType<ReturnType<typeof schemaOf>['safeParse']>;
  try {
    result = schemaOf(table).safeParse(settings);
  } catch {
    throw new UsageError(`${where ?? ''}a setting nests too deep`);
  }
  if (result.success) return result.data as SettingsOf<T>;
  const problems = result.error.issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => `${/^\w{1,80}$/.test(key) ? key : show(key)} is not a setting${unknown(key)}`);
    const name = String(issue.path[0]);
    const path = issue.path.join('.').replace(/\s+/g, ' ').slice(0, 80);
    return [`${where ? path : `--${kebab(name)}`} ${issue.message}, got ${show(settings[name])}`];
  });
  const more = problems.length > NAMED ? `; and ${problems.length - NAMED} more` : '';
  throw new UsageError((where ?? '') + problems.slice(0, NAMED).join('; ') + more);
}

/** The README's table of options: their headings, and a row for each. */
export function readmeTable(table: OptionTable): string[][] {
  const cell = (text: string) => text.replaceAll('|', '\\|');
  return Object.entries(table).flatMap(([heading, group]) => [
    [`**${heading}**`, ''],
    ...Object.values(group).map(({ flag, opposite, does }) => [
      [flag, opposite].flatMap((text) => (text ? `\`${text}\`` : [])).join(', '),
      cell(does),
    ]),
  ]);
}

/** The rows of that table which a README lacks, as they should stand there. */
export function missingRows(readme: string, table: OptionTable): string[] {
  const cells = (line: string) => line.split(/(?<!\\)\|/).map((text) => text.trim());
  const there = new Set(readme.split('\n').map((line) => cells(line).join('|')));
  return readmeTable(table)
    .map((row) => `| ${row.join(' | ')} |`)
    .filter((row) => !there.has(cells(row).join('|')));
}
