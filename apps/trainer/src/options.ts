import type { ExecutionName } from '@ddpm/app-common';
import { backendNames, UsageError } from '@ddpm/app-common';
import { datasetNames } from '@ddpm/datasets';
import type { LossName } from '@ddpm/diffusion';
import { lossNames } from '@ddpm/diffusion';
import type { NoiseSchedule } from '@ddpm/schedules';
import { cosineSchedule, linearSchedule, quadraticSchedule, scaledLinearSchedule, sigmoidSchedule } from '@ddpm/schedules';
import { Command } from 'commander';
import { z } from 'zod';

/** The schedules by their names on the command line. */
export const schedules: Readonly<Record<string, (options: { timesteps: number }) => NoiseSchedule>> = {
  linear: linearSchedule,
  'scaled-linear': scaledLinearSchedule,
  quadratic: quadraticSchedule,
  sigmoid: sigmoidSchedule,
  cosine: cosineSchedule,
};

const oneOf = <T extends string>(names: readonly T[]) => z.enum(names as [T, ...T[]], { error: `must be one of ${names.join(', ')}` });
const wholeNumber = (least: number) =>
  z.int({ error: `must be a whole number of at least ${least}` }).min(least, `must be a whole number of at least ${least}`);

const settingsSchema = z.strictObject({
  dataset: oneOf(datasetNames),
  dataDir: z.string().optional(),
  imageSize: wholeNumber(1).optional(),
  epochs: wholeNumber(1).optional(),
  steps: wholeNumber(1).optional(),
  batchSize: wholeNumber(1),
  learningRate: z.number({ error: 'must be a number above 0' }).positive('must be a number above 0'),
  loss: oneOf<LossName>(lossNames),
  schedule: oneOf(Object.keys(schedules)),
  timesteps: wholeNumber(1),
  network: z.string().min(1, 'must name a package or a file'),
  networkOptions: z.record(z.string(), z.json(), { error: 'must be a JSON object' }),
  dim: wholeNumber(1),
  dimMults: z.array(wholeNumber(1), { error: 'must be whole numbers such as 1,2,4' }).min(1),
  blocks: oneOf(['convnext', 'resnet']),
  backend: oneOf<ExecutionName>(backendNames),
  seed: z.int({ error: 'must be a whole number' }),
  sampleEvery: wholeNumber(0).optional(),
  out: z.string().min(1, 'must name a folder').optional(),
});

/** All that a run is made from: a preset, changed by the command line. */
export type Settings = z.infer<typeof settingsSchema>;

/** The tutorial's run, exactly. */
const tutorial: Settings = {
  dataset: 'fashion-mnist',
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
  backend: 'auto',
  seed: 0,
};

export const presets: Readonly<Record<string, Settings>> = {
  tutorial,
  /** A first run, in a few minutes on two cores and without a download. */
  quick: { ...tutorial, dataset: 'fashion-mnist-10k', epochs: undefined, steps: 150, schedule: 'cosine' },
};

/** A number where the text is one; otherwise the text, for the schema to refuse. */
const number = (text: string): number | string => (text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text));
const numbers = (text: string) => text.split(',').map(number);
function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const kebab = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** The command line, whose values are still to be checked by `settingsFrom`. */
export function trainCommand(): Command {
  return new Command('ddpm-train')
    .description('Trains a denoising diffusion model and shows what it learned.')
    .option('--preset <name>', `where the other options start from: ${Object.keys(presets).join(' or ')}`, 'tutorial')
    .option('--dataset <name>', datasetNames.join(', '))
    .option('--data-dir <folder>', "where the dataset's files are")
    .option('--image-size <pixels>', 'resize the images to this height and width', number)
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
    .option('--backend <name>', `what executes the network: ${backendNames.join(', ')}`)
    .option('--seed <n>', 'everything random follows from it', number)
    .option('--sample-every <n>', 'steps between two grids of samples; 0 for none (by default an epoch)', number)
    .option('--out <folder>', 'run folder (by default runs/<preset>-<number>)')
    .showSuggestionAfterError()
    .allowExcessArguments(false);
}

/**
 * The settings that a preset and the options given make.
 * @throws UsageError in one line that names the option, what it allows and what came.
 */
export function settingsFrom({ preset, ...given }: Readonly<Record<string, unknown>>): Settings {
  if (typeof preset !== 'string' || !Object.hasOwn(presets, preset)) {
    throw new UsageError(`--preset must be one of ${Object.keys(presets).join(', ')}, got '${String(preset)}'`);
  }
  if (given.epochs !== undefined && given.steps !== undefined)
    throw new UsageError('--epochs and --steps say the same thing; give one of them');
  const unetOnly = ['dim', 'dimMults', 'blocks'].filter((name) => given[name] !== undefined);
  if (given.network !== undefined && given.network !== tutorial.network && unetOnly.length > 0) {
    throw new UsageError(
      `${unetOnly.map((name) => `--${kebab(name)}`).join(', ')} only shape the U-Net; give another network its options by --network-options`,
    );
  }
  const length = given.epochs !== undefined || given.steps !== undefined ? { epochs: undefined, steps: undefined } : {};
  const merged = { ...presets[preset], ...length, ...given };
  const result = settingsSchema.safeParse(merged);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) => {
    const name = String(path[0]);
    return `--${kebab(name)} ${message}, got ${show(merged[name as keyof Settings])}`;
  });
  throw new UsageError(problems.join('; '));
}

const show = (value: unknown) => (typeof value === 'string' ? `'${value}'` : JSON.stringify(value));

/** The options that the network's default export is called with. */
export function networkOptions(
  { network, networkOptions, dim, dimMults, blocks, seed }: Settings,
  channels: number,
): Record<string, z.core.util.JSONType> {
  const unet: Record<string, z.core.util.JSONType> =
    network === tutorial.network ? { dim, dimMults, useConvnext: blocks === 'convnext' } : {};
  return { channels, seed, ...unet, ...networkOptions };
}
