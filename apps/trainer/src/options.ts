import { readFileSync } from 'node:fs';
import { addOptions, checkSettings, kebab, schemaOf, show, UsageError } from '@ddpm/app-common';
import { reason } from '@ddpm/checkpoint';
import { Command } from 'commander';
import leven from 'leven';
import type { Settings } from './table';
import { changeable, inherited, invocationTable, isOf, table, tableOf } from './table';
import { presets, tasks } from './tasks';

/** The command line, whose values are still to be checked by `readInvocation`. */
export function trainCommand(): Command {
  const command = new Command('ddpm-train')
    .description('Trains a denoising diffusion model and shows what it learned.')
    .showSuggestionAfterError()
    .allowExcessArguments(false);
  return addOptions(addOptions(command, invocationTable), table);
}

/** The options as they were given. */
export interface CommandOptions {
  readonly preset?: string;
  readonly config?: string;
  readonly resume?: string;
  readonly dryRun?: boolean;
  readonly view?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
  readonly [setting: string]: unknown;
}

/** An invocation of the command, checked. */
export interface Invocation {
  readonly settings: Settings;
  readonly preset: string;
  readonly dryRun: boolean;
  readonly output: 'lines' | 'quiet' | 'json';
}

/**
 * The settings that the command line asks for: those from it, over those of the `--config` file, over those
 * of the preset; or those of the run that is resumed.
 * @param saved the settings of the run that is resumed
 * @param source the settings of the model whose weights the run begins with, if it does
 * @throws UsageError in one line that names the option, what it allows and what came.
 */
export function readInvocation(
  options: CommandOptions,
  saved?: Readonly<Record<string, unknown>>,
  source?: Readonly<Record<string, unknown>>,
): Invocation {
  const {
    preset: asked,
    config,
    resume,
    dryRun = false,
    view: _v,
    quiet = false,
    json: asJson = false,
    ...given
  } = options;
  if (quiet && asJson) throw new UsageError('--quiet and --json exclude each other');
  const output = quiet ? 'quiet' : asJson ? 'json' : 'lines';
  if (resume !== undefined) {
    if (asked !== undefined || config !== undefined)
      throw new UsageError('--resume takes its settings from the run; --preset and --config are for new runs');
    const fixed = Object.keys(given).filter((name) => !changeable.includes(name));
    if (fixed.length > 0)
      throw new UsageError(`${flags(fixed)} cannot change in a run that is resumed; only ${flags(changeable)} can`);
    const { preset, ...before } = saved ?? {};
    if (typeof before.task !== 'string' || !Object.hasOwn(tasks, before.task))
      throw new UsageError(`${resume}: task must be one of ${Object.keys(tasks).join(', ')}, got ${show(before.task)}`);
    return { settings: checked(withLength(before, given), `${resume}: `), preset: String(preset), dryRun, output };
  }
  // A run's own config.json tells too what model the settings made.
  const { preset: filePreset, networks: _n, meaning: _m, ...fromFile } = config === undefined ? {} : readConfig(config);
  const named = asked ?? filePreset;
  const asks = { ...fromFile, ...given };
  // What a kind of training is called by, such as --lora, names it.
  const called = Object.values(tasks).find(({ calledBy }) => calledBy !== undefined && calledBy in asks)?.name;
  const { task = named === undefined ? (called ?? source?.task) : undefined } = asks;
  const preset = presetOf(named, task);
  const below = withModel(presetFor(preset, { ...fromFile, ...given }), source, { ...fromFile, ...given });
  const settings = over(config === undefined ? below : over(below, fromFile, `${config}: `), given);
  return { settings, preset, dryRun, output };
}

/**
 * The preset that is asked for, or the first of the kind of training that is.
 * @throws UsageError if there is none of that name, or it is one of another kind
 */
function presetOf(preset: unknown, task: unknown): string {
  if (task !== undefined && (typeof task !== 'string' || !Object.hasOwn(tasks, task)))
    throw new UsageError(`--task must be one of ${Object.keys(tasks).join(', ')}, got ${show(task)}`);
  const named = preset ?? Object.keys((tasks[task ?? ''] ?? Object.values(tasks)[0]).presets)[0];
  if (typeof named !== 'string' || !Object.hasOwn(presets, named))
    throw new UsageError(`--preset must be one of ${Object.keys(presets).join(', ')}, got ${show(named)}`);
  const { kind } = presets[named];
  if (task !== undefined && kind.name !== task)
    throw new UsageError(
      `--preset ${named} is one of --task ${kind.name}; ${task} has ${Object.keys(tasks[task].presets).join(', ')}`,
    );
  return named;
}

/**
 * A preset's settings for what is asked for: some are its own dataset's alone, and whether mirrored images are still right,
 * it knows of that alone.
 */
function presetFor(name: string, { dataset }: Readonly<Record<string, unknown>>): Settings {
  const { kind, settings, elsewhere } = presets[name];
  const own = { ...settings, task: kind.name };
  return dataset === undefined || dataset === settings.dataset ? own : { ...own, flip: false, ...elsewhere };
}

/** The settings that say which data a model was trained on. */
const ofData = ['dataset', 'dataDir', 'imageSize', 'channels', 'flip'];

/**
 * A preset's settings with a model's in place of those that say what a model is, and, for a kind of training that begins
 * with models of others, what it was trained on.
 * @throws UsageError if the model is of a kind of training that it does not begin with
 */
function withModel(
  preset: Settings,
  model: Readonly<Record<string, unknown>> | undefined,
  given: Readonly<Record<string, unknown>>,
): Settings {
  if (!model) return preset;
  const { begins } = tasks[preset.task];
  const allowed = begins ?? [preset.task];
  if (!allowed.includes(String(model.task)))
    throw new UsageError(`--from must name a model of --task ${allowed.join(' or ')}, got one of ${show(model.task)}`);
  const data = begins && given.dataset === undefined ? ofData : [];
  const kept = Object.entries(preset).filter(([name]) => !inherited.includes(name));
  const brought = Object.entries(model).filter(
    ([name]) => [...inherited, ...data].includes(name) && isOf(preset.task, name),
  );
  return Object.fromEntries([...kept, ...brought]) as unknown as Settings;
}

/** The model that a run begins with, as the command line or the config file names it. */
export const sourceOf = ({ from, config, resume }: CommandOptions): unknown =>
  resume !== undefined ? undefined : (from ?? (config === undefined ? undefined : readConfig(config).from));

/**
 * A file's or the command line's settings over others.
 * @param where stands before the names of a file's settings
 */
function over(below: Settings, above: Readonly<Record<string, unknown>>, where?: string): Settings {
  const { task } = below;
  for (const name of Object.keys(above)) {
    const owners = Object.keys(tasks).filter((other) => isOf(other, name));
    if (owners.length > 0 && !owners.includes(task))
      throw new UsageError(
        `${where === undefined ? `--${kebab(name)} is an option` : `${where}${name} is a setting`} of --task ${owners.join(', ')}, not of ${task}`,
      );
  }
  const settings = checked(withLength({ ...below }, above), where);
  return (tasks[task].settle?.(settings, Object.keys(above)) ?? settings) as Settings;
}

/** Settings over others; epochs and steps say the same thing, so that one given replaces the other. */
function withLength(
  below: Readonly<Record<string, unknown>>,
  above: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  if (above.epochs !== undefined && above.steps !== undefined)
    throw new UsageError('--epochs and --steps say the same thing; give one of them');
  const replaced =
    above.epochs !== undefined || above.steps !== undefined ? { epochs: undefined, steps: undefined } : {};
  return { ...below, ...replaced, ...above };
}

function readConfig(path: string): Record<string, unknown> {
  let text: string;
  try {
    // Some editors begin a file with a byte-order mark.
    text = readFileSync(path, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    throw new Error(`${path} cannot be read: ${reason(error)}`, { cause: error });
  }
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch (error) {
    // The message quotes the file.
    throw new UsageError(`${path} is not JSON: ${(error as Error).message.replace(/\s+/g, ' ')}`);
  }
  if (typeof config !== 'object' || config === null || Array.isArray(config))
    throw new UsageError(`${path} must hold a JSON object`);
  return config as Record<string, unknown>;
}

const checked = (settings: Readonly<Record<string, unknown>>, where?: string): Settings =>
  checkSettings(tableOf(String(settings.task)), settings, {
    where,
    unknown: suggestion,
  }) as unknown as Settings;

function suggestion(key: string): string {
  const names = Object.keys(schemaOf(table).shape);
  const near = names.reduce((best, name) => (leven(key, name) < leven(key, best) ? name : best));
  return leven(key, near) <= 3 ? ` (did you mean ${near}?)` : '';
}

const flags = (names: readonly string[]) => names.map((name) => `--${kebab(name)}`).join(', ');
