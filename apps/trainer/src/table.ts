import type { OptionSpec, OptionTable } from '@ddpm/app-common';
import { oneOf } from '@ddpm/app-common';
import { z } from 'zod';
import type { CommonSettings } from './common-table';
import { common } from './common-table';
import { presets, tasks } from './tasks';

/** The settings that a run is made from: a preset, changed by the command line. A kind of training has more of its own. */
export type Settings = CommonSettings & { readonly task: string };

const list = (entries: Readonly<Record<string, { readonly does: string }>>) =>
  Object.entries(entries)
    .map(([name, { does }], i) => `${name} (${does}${i === 0 ? ', the default' : ''})`)
    .join(', ');
const choice = {
  'What is learned': {
    task: { flag: '--task <name>', does: `kind of training: ${list(tasks)}`, schema: oneOf(Object.keys(tasks)) },
  },
};

/** The options that some kinds of training have, under their headings. */
export const tableOf = (...names: readonly string[]): OptionTable =>
  merged([common.first, choice, ...names.map((name) => tasks[name].options), common.last]);

/** Every setting of a run of any kind. */
export const table = tableOf(...Object.keys(tasks));

/** Tables as one. An option may be in several of them, if it is the same in all. */
function merged(tables: readonly OptionTable[]): OptionTable {
  const all: Record<string, Record<string, OptionSpec>> = {};
  const headings = new Map<string, string>();
  for (const [heading, group] of tables.flatMap((each) => Object.entries(each))) {
    for (const [name, option] of Object.entries(group)) {
      const before = headings.get(name);
      if (before !== undefined && all[before][name] !== option)
        throw new Error(`option table: ${option.flag} of '${heading}' is another one than that of '${before}'`);
      if (before !== undefined) continue;
      headings.set(name, heading);
      (all[heading] ??= {})[name] = option;
    }
  }
  return all;
}

/** Whether a setting is one of a kind of training. */
export const isOf = (task: string, setting: string): boolean =>
  Object.values(tableOf(task)).some((group) => Object.hasOwn(group, setting));

/** Names of the settings that may be changed when a run is resumed. */
export const changeable: readonly string[] = Object.values(table).flatMap((group) =>
  Object.entries(group).flatMap(([name, option]) => (option.changeable ? [name] : [])),
);

/** Names of the settings that weights that are begun with bring with them. */
export const inherited: readonly string[] = Object.values(table).flatMap((group) =>
  Object.entries(group).flatMap(([name, option]) => (option.inherited ? [name] : [])),
);

/** Options of the command itself, beside the settings of the run. */
export const invocationTable = {
  Command: {
    preset: {
      flag: '--preset <name>',
      does: `where the other options start from: ${list(presets)}`,
      schema: z.string().optional(),
    },
    config: {
      flag: '--config <file>',
      does: 'JSON with any of these settings; the command line wins',
      schema: z.string().optional(),
    },
    resume: {
      flag: '--resume <run>',
      does: 'go on with a run, from its newest checkpoint',
      schema: z.string().optional(),
    },
    dryRun: {
      flag: '--dry-run',
      does: 'show the plan, with the time that a few steps take, and stop',
      schema: z.boolean().optional(),
    },
    view: {
      flag: '--view',
      does: 'show curves and previews while it trains, in a page that this machine alone can open',
      schema: z.boolean().optional(),
    },
    quiet: { flag: '--quiet', does: 'print nothing but errors', schema: z.boolean().optional() },
    json: { flag: '--json', does: 'print JSON lines for machines', schema: z.boolean().optional() },
  },
} as const;
