import { readFileSync } from 'node:fs';
import type { ExecutionName } from '@ddpm/app-common';
import { aboveZero, backendNames, kebab, number, oneOf, schedules, show, UsageError, wholeNumber } from '@ddpm/app-common';
import { reason } from '@ddpm/checkpoint';
import { datasetNames } from '@ddpm/datasets';
import type { Decay, LossName } from '@ddpm/diffusion';
import { decays, lossNames } from '@ddpm/diffusion';
import { Command } from 'commander';
import leven from 'leven';
import { z } from 'zod';

const atLeastZero = z.number({ error: 'must be a number of at least 0' }).nonnegative('must be a number of at least 0');

const settingsSchema = z.strictObject({
  dataset: oneOf(datasetNames),
  dataDir: z.string().optional(),
  imageSize: wholeNumber(1).optional(),
  channels: z.literal([1, 3, 4], { error: 'must be 1, 3 or 4' }).optional(),
  flip: z.boolean({ error: 'must be true or false' }),
  epochs: wholeNumber(1).optional(),
  steps: wholeNumber(1).optional(),
  batchSize: wholeNumber(1),
  learningRate: aboveZero(),
  loss: oneOf<LossName>(lossNames),
  schedule: oneOf(Object.keys(schedules)),
  timesteps: wholeNumber(1),
  network: z.string().min(1, 'must name a package or a file'),
  networkOptions: z.record(z.string(), z.json(), { error: 'must be a JSON object' }),
  dim: wholeNumber(1),
  dimMults: z.array(wholeNumber(1), { error: 'must be whole numbers such as 1,2,4' }).min(1),
  blocks: oneOf(['convnext', 'resnet']),
  blind: z.boolean({ error: 'must be true or false' }),
  backend: oneOf<ExecutionName>(backendNames),
  seed: wholeNumber(),
  warmup: wholeNumber(0),
  decay: oneOf<Decay>(decays),
  weightDecay: atLeastZero,
  clipNorm: aboveZero().optional(),
  ema: z
    .number({ error: 'must be a number from 0 to 1' })
    .min(0, 'must be a number from 0 to 1')
    .max(1, 'must be a number from 0 to 1')
    .optional(),
  accumulate: wholeNumber(1),
  minSnr: aboveZero().optional(),
  validation: wholeNumber(0),
  validateEvery: wholeNumber(0).optional(),
  sampleEvery: wholeNumber(0).optional(),
  checkpointEvery: wholeNumber(1),
  keep: wholeNumber(1),
  maxSkipped: wholeNumber(1),
  out: z.string().min(1, 'must name a folder').optional(),
});

/** All that a run is made from: a preset, changed by the command line. */
export type Settings = z.infer<typeof settingsSchema>;

/** The tutorial's run, exactly, which mirrors garments; that samples come from the average of the weights does not change the training. */
const tutorial: Settings = {
  dataset: 'fashion-mnist',
  flip: true,
  epochs: 5,
  batchSize: 128,
  learningRate: 1e-3,
  loss: 'huber',
  schedule: 'linear',
  timesteps: 200,
  network: '@ddpm/unet',
  networkOptions: {},
  dim: 28,
  dimMults: [1, 2, 4],
  blocks: 'convnext',
  blind: false,
  backend: 'auto',
  seed: 0,
  warmup: 0,
  decay: 'constant',
  weightDecay: 0,
  ema: 0.9999,
  accumulate: 1,
  validation: 0,
  checkpointEvery: 100,
  keep: 3,
  maxSkipped: 10,
};

export const presets: Readonly<Record<string, Settings>> = {
  tutorial,
  /** A first run, in a few minutes on two cores and without a download. */
  quick: {
    ...tutorial,
    ...{ dataset: 'fashion-mnist-10k', epochs: undefined, steps: 1000, batchSize: 16, schedule: 'scaled-linear' },
    ...{ learningRate: 4e-3, warmup: 100, decay: 'cosine', clipNorm: 1, minSnr: 5, sampleEvery: 500, checkpointEvery: 250 },
  },
};

const numbers = (text: string) => text.split(',').map(number);
function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** The command line, whose values are still to be checked by `settingsFrom`. */
export function trainCommand(): Command {
  return new Command('ddpm-train')
    .description('Trains a denoising diffusion model and shows what it learned.')
    .option('--preset <name>', `where the other options start from: ${Object.keys(presets).join(' or ')} (by default tutorial)`)
    .option('--dataset <name>', datasetNames.join(', '))
    .option('--data-dir <folder>', "where the dataset's files are")
    .option('--image-size <pixels>', 'resize the images to this height and width', number)
    .option('--channels <n>', 'make every image gray (1), RGB (3) or RGBA (4)', number)
    .option('--flip', 'mirror half of the images left to right (a preset does so to its own dataset alone)')
    .option('--no-flip', 'mirror none')
    .option('--epochs <n>', 'how often to go through the dataset', number)
    .option('--steps <n>', 'how many steps to take, instead of epochs', number)
    .option('--batch-size <n>', 'images in a step', number)
    .option('--learning-rate <rate>', "Adam's step size", number)
    .option('--loss <name>', lossNames.join(', '))
    .option('--schedule <name>', `noise schedule: ${Object.keys(schedules).join(', ')}`)
    .option('--timesteps <n>', 'noise levels T', number)
    .option('--network <package>', 'package or ./file whose default export makes the network')
    .option('--network-options <json>', 'options for the network, beside channels and seed', json)
    .option('--dim <n>', "width of the U-Net's first level", number)
    .option('--dim-mults <list>', "each level's width as a multiple of dim, such as 1,2,4", numbers)
    .option('--blocks <name>', 'convnext or resnet')
    .option('--blind', 'allow a network that ignores t')
    .option('--backend <name>', `what executes the network: ${backendNames.join(', ')}`)
    .option('--seed <n>', 'everything random follows from it', number)
    .option('--warmup <steps>', 'steps over which the learning rate rises', number)
    .option('--decay <name>', `how the learning rate goes on: ${decays.join(', ')}`)
    .option('--weight-decay <rate>', 'AdamW: how fast weights shrink', number)
    .option('--clip-norm <norm>', 'scale down gradients that are longer', number)
    .option('--ema <decay>', 'sample with a moving average of the weights (by default 0.9999); 0 for the weights themselves', number)
    .option('--accumulate <n>', 'batches in a step, whose gradients are averaged', number)
    .option('--min-snr <gamma>', 'min-SNR-γ weighting of the loss, such as 5', number)
    .option('--validation <images>', 'held-out images whose loss is measured', number)
    .option('--validate-every <n>', 'steps between two measurements; 0 for none (by default an epoch)', number)
    .option('--sample-every <n>', 'steps between two grids of samples; 0 for none (by default an epoch)', number)
    .option('--checkpoint-every <n>', 'steps between two checkpoints', number)
    .option('--keep <n>', 'how many checkpoints to keep', number)
    .option('--max-skipped <n>', 'stop after this many steps in a row whose loss or gradient is not finite', number)
    .option('--out <folder>', 'run folder (by default runs/<preset>-<number>)')
    .option('--config <file>', 'JSON with any of these settings; the command line wins')
    .option('--resume <run>', 'go on with a run, from its newest checkpoint')
    .option('--dry-run', 'show the plan, with the time that a few steps take, and stop')
    .option('--quiet', 'print nothing but errors')
    .option('--json', 'print JSON lines for machines')
    .showSuggestionAfterError()
    .allowExcessArguments(false);
}

/** What the command line holds, as it was given. */
export interface CommandOptions {
  readonly preset?: string;
  readonly config?: string;
  readonly resume?: string;
  readonly dryRun?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
  readonly [setting: string]: unknown;
}

/** What the command is asked to do, beside the settings of the run. */
export interface Invocation {
  readonly settings: Settings;
  readonly preset: string;
  readonly dryRun: boolean;
  readonly output: 'lines' | 'quiet' | 'json';
}

/** What may be changed when a run is resumed, since nothing that was already done depends on it. */
export const changeable: readonly string[] = [
  'epochs',
  'steps',
  'backend',
  'dataDir',
  'validateEvery',
  'sampleEvery',
  'checkpointEvery',
  'keep',
  'maxSkipped',
];

/**
 * What the options given on the command line ask for: settings from it, over those of the `--config` file, over those of the preset; or
 * those of the run that is resumed.
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
    if (fixed.length > 0) throw new UsageError(`${flags(fixed)} cannot change in a run that is resumed; only ${flags(changeable)} can`);
    const { preset, ...before } = saved ?? {};
    return {
      settings: checked(withLength(before, given), `${resume}: `),
      preset: String(preset),
      dryRun: Boolean(dryRun),
      output,
    };
  }
  // A run's own config.json tells too what model the settings made.
  const { preset: filePreset, model: _, ...fromFile } = config === undefined ? {} : readConfig(config);
  const preset = asked ?? filePreset ?? 'tutorial';
  if (typeof preset !== 'string' || !Object.hasOwn(presets, preset)) {
    throw new UsageError(`--preset must be one of ${Object.keys(presets).join(', ')}, got ${show(preset)}`);
  }
  const settings = checked(
    withLength(checked(withLength(presetFor(preset, { ...fromFile, ...given }), fromFile), `${String(config)}: `), given),
  );
  const unetOnly = ['dim', 'dimMults', 'blocks'].filter((name) => given[name] !== undefined);
  if (settings.network !== tutorial.network && unetOnly.length > 0) {
    throw new UsageError(`${flags(unetOnly)} only shape the U-Net; give another network its options by --network-options`);
  }
  return { settings, preset, dryRun: Boolean(dryRun), output };
}

/** A preset for what is asked for: whether mirrored images are still right, it knows of its own dataset alone. */
function presetFor(name: string, { dataset }: Readonly<Record<string, unknown>>): Settings {
  const preset = presets[name];
  return dataset === undefined || dataset === preset.dataset ? preset : { ...preset, flip: false };
}

/** Settings over others; epochs and steps say the same thing, so that one given replaces the other. */
function withLength(below: Readonly<Record<string, unknown>>, above: Readonly<Record<string, unknown>>): Record<string, unknown> {
  if (above.epochs !== undefined && above.steps !== undefined)
    throw new UsageError('--epochs and --steps say the same thing; give one of them');
  const replaced = above.epochs !== undefined || above.steps !== undefined ? { epochs: undefined, steps: undefined } : {};
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
  if (typeof config !== 'object' || config === null || Array.isArray(config)) throw new UsageError(`${path} must hold a JSON object`);
  return config as Record<string, unknown>;
}

/** @param where stands before the names of a file's settings, which are called as they are there; without it they are called as options */
function checked(settings: Readonly<Record<string, unknown>>, where?: string): Settings {
  let result: ReturnType<typeof settingsSchema.safeParse>;
  try {
    result = settingsSchema.safeParse(settings);
  } catch {
    throw new UsageError(`${where ?? ''}networkOptions nest too deep`);
  }
  if (result.success) return result.data;
  const problems = result.error.issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => `${/^\w{1,80}$/.test(key) ? key : show(key)} is not a setting${suggestion(key)}`);
    const name = String(issue.path[0]);
    const path = issue.path.join('.').replace(/\s+/g, ' ').slice(0, 80);
    return [`${where ? path : `--${kebab(name)}`} ${issue.message}, got ${show(settings[name])}`];
  });
  const more = problems.length > 5 ? `; and ${problems.length - 5} more` : '';
  throw new UsageError((where ?? '') + problems.slice(0, 5).join('; ') + more);
}

function suggestion(key: string): string {
  const names = Object.keys(settingsSchema.shape);
  const near = names.reduce((best, name) => (leven(key, name) < leven(key, best) ? name : best));
  return leven(key, near) <= 3 ? ` (did you mean ${near}?)` : '';
}

const flags = (names: readonly string[]) => names.map((name) => `--${kebab(name)}`).join(', ');

/** The options that the network's default export is called with. */
export function networkOptions(
  { network, networkOptions, dim, dimMults, blocks, seed }: Settings,
  channels: number,
): Record<string, z.core.util.JSONType> {
  const unet: Record<string, z.core.util.JSONType> =
    network === tutorial.network ? { dim, dimMults, useConvnext: blocks === 'convnext' } : {};
  return { channels, seed, ...unet, ...networkOptions };
}
