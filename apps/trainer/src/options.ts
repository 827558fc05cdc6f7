import { readFileSync } from 'node:fs';
import { addOptions, checkSettings, kebab, schemaOf, show, UsageError } from '@ddpm/app-common';
import type { JsonObject } from '@ddpm/checkpoint';
import { reason } from '@ddpm/checkpoint';
import { Command } from 'commander';
import leven from 'leven';
import { presetFor, presets, tutorial } from './presets';
import type { Settings } from './table';
import { changeable, invocationTable, table } from './table';

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
 * @throws UsageError in one line that names the option, what it allows and what came.
 */
export function readInvocation(options: CommandOptions, saved?: Readonly<Record<string, unknown>>): Invocation {
  const { preset: asked, config, resume, dryRun = false, quiet = false, json: asJson = false, ...given } = options;
  if (quiet && asJson) throw new UsageError('--quiet and --json exclude each other');
  const output = quiet ? 'quiet' : asJson ? 'json' : 'lines';
  if (resume !== undefined) {
    if (asked !== undefined || config !== undefined)
      throw new UsageError('--resume takes its settings from the run; --preset and --config are for new runs');
    const fixed = Object.keys(given).filter((name) => !changeable.includes(name));
    if (fixed.length > 0)
      throw new UsageError(`${flags(fixed)} cannot change in a run that is resumed; only ${flags(changeable)} can`);
    const { preset, ...before } = saved ?? {};
    return { settings: checked(withLength(before, given), `${resume}: `), preset: String(preset), dryRun, output };
  }
  // A run's own config.json tells too what model the settings made.
  const { preset: filePreset, networks: _n, meaning: _m, ...fromFile } = config === undefined ? {} : readConfig(config);
  const preset = asked ?? filePreset ?? 'tutorial';
  if (typeof preset !== 'string' || !Object.hasOwn(presets, preset)) {
    throw new UsageError(`--preset must be one of ${Object.keys(presets).join(', ')}, got ${show(preset)}`);
  }
  const below = presetFor(preset, { ...fromFile, ...given });
  const settings = checked(withLength(checked(withLength(below, fromFile), `${String(config)}: `), given));
  const unetOnly = ['dim', 'dimMults', 'blocks'].filter((name) => given[name] !== undefined);
  if (settings.network !== tutorial.network && unetOnly.length > 0) {
    throw new UsageError(
      `${flags(unetOnly)} ${unetOnly.length > 1 ? 'shape' : 'shapes'} the U-Net alone; give another network its options by --network-options`,
    );
  }
  return { settings, preset, dryRun, output };
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
  checkSettings(table, settings, { where, unknown: suggestion });

function suggestion(key: string): string {
  const names = Object.keys(schemaOf(table).shape);
  const near = names.reduce((best, name) => (leven(key, name) < leven(key, best) ? name : best));
  return leven(key, near) <= 3 ? ` (did you mean ${near}?)` : '';
}

const flags = (names: readonly string[]) => names.map((name) => `--${kebab(name)}`).join(', ');

/** The options that the network's default export is called with. */
export function networkOptions(
  { network, networkOptions, dim, dimMults, blocks, seed }: Settings,
  channels: number,
): JsonObject {
  const unet: JsonObject = network === tutorial.network ? { dim, dimMults, useConvnext: blocks === 'convnext' } : {};
  return { channels, seed, ...unet, ...networkOptions };
}
