import type { SettingsOf } from '@ddpm/app-common';
import {
  aboveZero,
  fraction,
  kebab,
  number,
  oneOf,
  scheduleNames,
  schedules,
  UsageError,
  wholeNumber,
} from '@ddpm/app-common';
import type { JsonObject } from '@ddpm/checkpoint';
import type { Bound, ElementLoss, Level } from '@ddpm/diffusion';
import { huber, hybrid, l1, l2, pseudoHuber, vlb } from '@ddpm/diffusion';
import { parameterisations } from '@ddpm/models';
import { z } from 'zod';
import type { CommonSettings } from '../common-table';
import { defaults } from '../defaults';
import { latentOptions } from './latent';
import { levelSources, weightings } from './objective';
import type { Preset } from './training';

/** The losses by the names that the command line gives them. */
export const losses: Readonly<Record<string, ElementLoss>> = {
  ...{ l1, l2, huber },
  'pseudo-huber': pseudoHuber(),
};

/** The losses with the variational bound by the names that the command line gives them; what is beside it is l2. */
export const bounds: Readonly<
  Record<string, { readonly does: string; readonly of: (levels: readonly Level[]) => Bound }>
> = {
  hybrid: { does: 'l2, and 0.001 times the variational bound for the variance', of: hybrid },
  vlb: { does: 'the variational bound alone', of: vlb },
};

/** The schedule that a model of diffusers has, which need not have a name. */
export const OF_MODEL = 'model';

const names = (table: object) => Object.keys(table);
const withGamma = names(weightings).filter((name) => weightings[name]?.gamma !== undefined);
/** The options of denoising. */
export const options = {
  'What is learned': {
    parameterisation: {
      flag: '--parameterisation <name>',
      does: `what the network predicts: ${names(parameterisations).join(', ')}`,
      schema: oneOf(names(parameterisations)),
      inherited: true,
    },
    learnSigma: {
      flag: '--learn-sigma',
      does: 'have the network say the variance of its steps too, in twice the channels, which the losses hybrid and vlb train',
      schema: z.boolean({ error: 'must be true or false' }).optional(),
    },
    loss: {
      flag: '--loss <name>',
      does: [...names(losses), ...names(bounds).map((name) => `${name} (${bounds[name].does})`)].join(', '),
      schema: oneOf([...names(losses), ...names(bounds)]),
    },
    weighting: {
      flag: '--weighting <name>',
      does: `how the loss counts at each level: ${names(weightings).join(', ')}`,
      schema: oneOf(names(weightings)),
    },
    gamma: {
      flag: '--gamma <n>',
      does: `γ of the weighting, and what it is by default: ${withGamma.map((name) => `${name} (${weightings[name]!.gamma})`).join(', ')}`,
      schema: aboveZero().optional(),
      read: number,
    },
    sigmaData: {
      flag: '--sigma-data <number>',
      does: "standard deviation of the data, for EDM's parameterisation and weighting, or measured, the default",
      schema: z
        .union([z.literal('measured'), aboveZero()], { error: 'must be a number above 0, or measured' })
        .optional(),
      read: (text: string) => (text === 'measured' ? text : number(text)),
      inherited: true,
    },
  },
  Latents: latentOptions,
  'Noise levels': {
    levelSource: {
      flag: '--level-source <name>',
      does: `which levels training meets: ${names(levelSources)
        .map((name) => `${name} (${levelSources[name].does})`)
        .join(', ')}`,
      schema: oneOf(names(levelSources)),
      inherited: true,
    },
    noises: {
      flag: '--noises <n>',
      does: 'draw so much noise for each image and take what is nearest to it (immiscible diffusion); 1, the noise as it comes, by default',
      schema: wholeNumber(1).optional(),
      read: number,
    },
    schedule: {
      flag: '--schedule <name>',
      does: `noise schedule: ${scheduleNames}; ${OF_MODEL} is that of --from`,
      schema: oneOf([...names(schedules), OF_MODEL]).optional(),
      inherited: true,
    },
    timesteps: {
      flag: '--timesteps <n>',
      does: "the schedule's noise levels T",
      schema: wholeNumber(1).optional(),
      read: number,
      inherited: true,
    },
  },
  Classes: {
    classes: {
      flag: '--classes',
      opposite: '--no-classes',
      does: "tell the network each image's class, by its option classes: how many there are; the preset quick does, where there are classes",
      schema: z
        .union([z.boolean(), z.literal('auto')], { error: "must be true, false, or 'auto', where there are classes" })
        .optional(),
      inherited: true,
    },
    labelDropout: {
      flag: '--label-dropout <share>',
      does: 'how often the class is left out, which guidance needs; 0.1 by default',
      schema: fraction().optional(),
      read: number,
    },
  },
  Network: {
    dim: {
      flag: '--dim <n>',
      does: "width of the U-Net's first level",
      schema: wholeNumber(1).optional(),
      read: number,
      inherited: true,
    },
    dimMults: {
      flag: '--dim-mults <list>',
      does: "each level's width as a multiple of dim, such as 1,2,4",
      schema: z.array(wholeNumber(1), { error: 'must be whole numbers such as 1,2,4' }).min(1).optional(),
      read: (text: string) => text.split(',').map(number),
      inherited: true,
    },
    blocks: {
      flag: '--blocks <name>',
      does: "the U-Net's blocks: convnext or resnet",
      schema: oneOf(['convnext', 'resnet']).optional(),
      inherited: true,
    },
    blind: {
      flag: '--blind',
      does: 'allow a network that ignores t',
      schema: z.boolean({ error: 'must be true or false' }),
      inherited: true,
    },
  },
} as const;
/** The settings of denoising. */
export type DenoiseSettings = CommonSettings & SettingsOf<typeof options>;

/** The tutorial's run, exactly; that samples come from the average of the weights does not change the training. */
const tutorial: DenoiseSettings = {
  ...defaults,
  ...{ dataset: 'fashion-mnist', flip: true, epochs: 5, batchSize: 128, learningRate: 1e-3, ema: 0.9999 },
  ...{ parameterisation: 'epsilon', loss: 'huber', weighting: 'none' },
  ...{ levelSource: 'uniform', schedule: 'linear', timesteps: 200 },
  ...{ network: '@ddpm/unet', dim: 28, dimMults: [1, 2, 4], blocks: 'convnext', blind: false },
};

/**
 * A first run, in a few minutes on two cores and without a download. Its network works at half and a quarter of the
 * images' size, where there is most to learn for the time; its average of the weights is as short as the run.
 */
const quick: DenoiseSettings = {
  ...defaults,
  ...{ dataset: 'fashion-mnist-10k', flip: true, steps: 2000, batchSize: 32 },
  ...{ learningRate: 3e-3, warmup: 100, decay: 'cosine', beta2: 0.99, weightDecay: 0.01, clipNorm: 1, ema: 0.99 },
  ...{ parameterisation: 'velocity', loss: 'l2', weighting: 'none', classes: 'auto', labelDropout: 0.1 },
  ...{ levelSource: 'stratified', schedule: 'velocity-cosine', timesteps: 1000 },
  ...{ network: '@ddpm/adm', blind: false },
  networkOptions: {
    ...{ patchSize: 'auto', modelChannels: 16, channelMult: [2, 4], numResBlocks: 1 },
    ...{ attentionResolutions: [2], numHeads: 4, groups: 8 },
  },
  ...{ sampleEvery: 500, checkpointEvery: 500 },
};

/** The same for two hours: the whole dataset, twice the width and depth. */
const best: DenoiseSettings = {
  ...quick,
  ...{ dataset: 'fashion-mnist', steps: 24_000, learningRate: 2e-3, warmup: 500, ema: 0.999 },
  networkOptions: { ...quick.networkOptions, ...{ modelChannels: 32, channelMult: [2, 3], numResBlocks: 2 } },
  ...{ sampleEvery: 2000, checkpointEvery: 1000 },
};

/**
 * Pictures in colour and of many kinds: what they show is settled at levels of neither much nor little noise, where
 * min-SNR has the loss count; and a patch in colour holds three times as much noise as a gray one, which a network that
 * predicts the image need not repeat. Of garments both recipes draw as good ones; with velocity they are more often of
 * the class that was asked for (80 % to 76 %).
 */
const elsewhere = { parameterisation: 'image', weighting: 'min-snr', gamma: 5 };

/** Where they may start from. */
export const presets: Readonly<Record<string, Preset<DenoiseSettings>>> = {
  tutorial: { does: 'Fashion-MNIST, five epochs', settings: tutorial },
  quick: { does: 'a few minutes', settings: quick, elsewhere },
  best: { does: 'Fashion-MNIST by class, two hours', settings: best, elsewhere },
};

/** The settings that shape the U-Net alone. */
const ofUnet = ['dim', 'dimMults', 'blocks'] as const;

/** Leaves out what the network, the level source and the weighting have no use for, and fills in what they need. */
export function settle(settings: DenoiseSettings, given: readonly string[]): DenoiseSettings {
  const { network, levelSource, parameterisation, weighting } = settings;
  const settled = { ...settings };
  // A preset's options are those of its own network.
  if (given.includes('network') && !given.includes('networkOptions')) settled.networkOptions = {};
  if (given.includes('network') && !given.includes('classes') && settings.classes === 'auto') settled.classes = false;
  /** Leaves settings out, or refuses them where they are asked for. */
  const leaveOut = (names: readonly (keyof DenoiseSettings)[], why: (plural: boolean) => string) => {
    const asked = names.filter((name) => given.includes(name));
    if (asked.length > 0)
      throw new UsageError(`${asked.map((name) => `--${kebab(name)}`).join(', ')} ${why(asked.length > 1)}`);
    for (const name of names) delete (settled as Partial<DenoiseSettings>)[name];
  };

  if (network !== tutorial.network)
    leaveOut(
      ofUnet,
      (plural) =>
        `${plural ? 'shape' : 'shapes'} the U-Net alone; give another network its options by --network-options`,
    );
  const source = levelSources[levelSource];
  if (!source.scheduled)
    leaveOut(
      ['schedule', 'timesteps'],
      (plural) =>
        `${plural ? 'are' : 'is'} of a schedule's levels, and --level-source ${levelSource} draws ${source.does}`,
    );
  else if (settings.schedule === undefined || settings.timesteps === undefined)
    throw new UsageError(`--level-source ${levelSource} is of a schedule's levels: say --schedule and --timesteps`);
  if (parameterisation === 'edm' || weighting === 'edm') settled.sigmaData ??= 'measured';
  else leaveOut(['sigmaData'], () => 'is for --parameterisation edm and --weighting edm');
  checkBound(settings, given);
  if (settings.loss === 'vlb') {
    settled.weighting = 'none';
    delete settled.gamma;
    return settled;
  }
  const gamma = weightings[weighting]?.gamma;
  if (gamma === undefined) leaveOut(['gamma'], () => `is for --weighting ${withGamma.join(', ')}, not ${weighting}`);
  // Another weighting's γ is another thing.
  else if (given.includes('weighting') && !given.includes('gamma')) settled.gamma = gamma;
  else settled.gamma ??= gamma;
  if (settled.classes) settled.labelDropout ??= 0.1;
  else leaveOut(['labelDropout'], () => 'leaves out the classes that --classes tells');
  return settled;
}

/** @throws UsageError unless loss, variance, levels and weighting go together */
function checkBound(
  { loss, learnSigma = false, levelSource, weighting }: DenoiseSettings,
  given: readonly string[],
): void {
  if (learnSigma && !bounds[loss])
    throw new UsageError(
      `--learn-sigma needs --loss ${names(bounds).join(' or ')}, which train the variance; ${loss} does not`,
    );
  if (loss === 'hybrid' && !learnSigma)
    throw new UsageError('--loss hybrid trains the variance that --learn-sigma asks for; without, it is l2');
  if (bounds[loss] && !levelSources[levelSource].scheduled)
    throw new UsageError(
      `--loss ${loss} is of a schedule's steps, and --level-source ${levelSource} draws ${levelSources[levelSource].does}`,
    );
  if (loss === 'vlb' && (given.includes('gamma') || (given.includes('weighting') && weighting !== 'none')))
    throw new UsageError('--weighting and --gamma weigh the error of each level, which has no part in --loss vlb');
}

/** The widest first level of a network whose patches are to suit the images. */
const WIDEST = 16;

/**
 * The smallest patches, a power of 2 on a side, that make the first level of a network at most so wide, or, where the
 * images are no multiple of what these need, larger than that.
 */
function fittingPatch([h, w]: readonly number[], levels: number): number {
  const fits = (patch: number) => [h, w].every((size) => size % (patch * 2 ** (levels - 1)) === 0);
  let patch = 2 ** Math.max(0, Math.ceil(Math.log2(Math.max(h, w) / WIDEST)));
  while (patch > 1 && !fits(patch)) patch /= 2;
  return patch;
}

/**
 * The options of the network's default export. A `patchSize` of 'auto' becomes that which suits the images.
 * @param image the shape of an image
 * @param classes how many there are, where it is to be told them
 */
export function networkOptions(
  {
    network,
    networkOptions,
    dim,
    dimMults,
    blocks,
    seed,
    learnSigma = false,
  }: Pick<DenoiseSettings, 'network' | 'networkOptions' | 'dim' | 'dimMults' | 'blocks' | 'seed' | 'learnSigma'>,
  image: readonly [h: number, w: number, c: number],
  classes?: number,
): JsonObject {
  const [, , channels] = image;
  const isUnet = network === tutorial.network;
  const unet = isUnet
    ? { ...(dim !== undefined && { dim }), ...(dimMults && { dimMults }), useConvnext: blocks !== 'resnet' }
    : {};
  const outputs = learnSigma ? { [network.startsWith(tutorial.network) ? 'outDim' : 'outChannels']: 2 * channels } : {};
  const patchSize = networkOptions.patchSize === 'auto' && {
    patchSize: fittingPatch(image, (networkOptions.channelMult as unknown[] | undefined)?.length ?? 1),
  };
  const told = classes !== undefined && { classes };
  return { channels, seed, ...outputs, ...unet, ...networkOptions, ...patchSize, ...told };
}
