import type { SettingsOf } from '@ddpm/app-common';
import { aboveZero, number, oneOf, schedules, wholeNumber } from '@ddpm/app-common';
import { datasetNames } from '@ddpm/datasets';
import type { ElementLoss } from '@ddpm/diffusion';
import { huber, l1, l2 } from '@ddpm/diffusion';
import type { ExecutionName } from '@ddpm/execution';
import { executionNames } from '@ddpm/execution';
import { parameterisations } from '@ddpm/models';
import type { Decay } from '@ddpm/train';
import { decays } from '@ddpm/train';
import { z } from 'zod';

/** The losses by the names that the command line gives them. */
export const losses: Readonly<Record<string, ElementLoss>> = { l1, l2, huber };

const atLeastZero = z.number({ error: 'must be a number of at least 0' }).nonnegative('must be a number of at least 0');
const fraction = z
  .number({ error: 'must be a number from 0 to 1' })
  .min(0, 'must be a number from 0 to 1')
  .max(1, 'must be a number from 0 to 1');
const names = (table: object) => Object.keys(table);
const numbers = (text: string) => text.split(',').map(number);
function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/**
 * Every setting of a run. What may change when a run is resumed, since nothing that was already done depends on it, is
 * `changeable`.
 */
export const table = {
  Data: {
    dataset: { flag: '--dataset <name>', does: datasetNames.join(', '), schema: oneOf(datasetNames) },
    dataDir: {
      flag: '--data-dir <folder>',
      does: "where the dataset's files are",
      schema: z.string().optional(),
      changeable: true,
    },
    imageSize: {
      flag: '--image-size <pixels>',
      does: 'resize the images to this height and width; by default they stay as they are',
      schema: wholeNumber(1).optional(),
      read: number,
    },
    channels: {
      flag: '--channels <n>',
      does: 'make every image gray (1), RGB (3) or RGBA (4), which a folder of mixed ones has to be told',
      schema: z.literal([1, 3, 4], { error: 'must be 1, 3 or 4' }).optional(),
      read: number,
    },
    flip: {
      flag: '--flip',
      opposite: '--no-flip',
      does: 'mirror half of the images, drawn anew in each epoch, left to right; a preset does so to its own dataset alone',
      schema: z.boolean({ error: 'must be true or false' }),
    },
    validation: {
      flag: '--validation <images>',
      does: 'held-out images whose loss is measured: of the test split where there is one, otherwise the last ones',
      schema: wholeNumber(0),
      read: number,
    },
  },
  Length: {
    epochs: {
      flag: '--epochs <n>',
      does: 'how often to go through the dataset',
      schema: wholeNumber(1).optional(),
      read: number,
      changeable: true,
    },
    steps: {
      flag: '--steps <n>',
      does: 'how many steps to take, instead of epochs',
      schema: wholeNumber(1).optional(),
      read: number,
      changeable: true,
    },
    batchSize: {
      flag: '--batch-size <n>',
      does: 'images that go through the network for a step',
      schema: wholeNumber(1),
      read: number,
    },
    accumulate: {
      flag: '--accumulate <n>',
      does: 'batches in a step, whose gradients are averaged',
      schema: wholeNumber(1),
      read: number,
    },
  },
  'What is learned': {
    parameterisation: {
      flag: '--parameterisation <name>',
      does: `what the network predicts: ${names(parameterisations).join(', ')}`,
      schema: oneOf(names(parameterisations)),
    },
    loss: { flag: '--loss <name>', does: names(losses).join(', '), schema: oneOf(names(losses)) },
    minSnr: {
      flag: '--min-snr <gamma>',
      does: 'min-SNR-γ weighting of the loss, such as 5',
      schema: aboveZero().optional(),
      read: number,
    },
    schedule: {
      flag: '--schedule <name>',
      does: `noise schedule: ${names(schedules).join(', ')}`,
      schema: oneOf(names(schedules)),
    },
    timesteps: { flag: '--timesteps <n>', does: 'noise levels T', schema: wholeNumber(1), read: number },
  },
  Network: {
    network: {
      flag: '--network <package>',
      does: 'package or ./file whose default export makes the network',
      schema: z.string().min(1, 'must name a package or a file'),
    },
    networkOptions: {
      flag: '--network-options <json>',
      does: 'options for the network, beside channels and seed',
      schema: z.record(z.string(), z.json(), { error: 'must be a JSON object' }),
      read: json,
    },
    dim: { flag: '--dim <n>', does: "width of the U-Net's first level", schema: wholeNumber(1), read: number },
    dimMults: {
      flag: '--dim-mults <list>',
      does: "each level's width as a multiple of dim, such as 1,2,4",
      schema: z.array(wholeNumber(1), { error: 'must be whole numbers such as 1,2,4' }).min(1),
      read: numbers,
    },
    blocks: {
      flag: '--blocks <name>',
      does: "the U-Net's blocks: convnext or resnet",
      schema: oneOf(['convnext', 'resnet']),
    },
    blind: {
      flag: '--blind',
      does: 'allow a network that ignores t',
      schema: z.boolean({ error: 'must be true or false' }),
    },
  },
  Optimizer: {
    learningRate: { flag: '--learning-rate <rate>', does: "Adam's step size", schema: aboveZero(), read: number },
    warmup: {
      flag: '--warmup <steps>',
      does: 'steps over which the learning rate rises',
      schema: wholeNumber(0),
      read: number,
    },
    decay: {
      flag: '--decay <name>',
      does: `how the learning rate goes on: ${decays.join(', ')}`,
      schema: oneOf<Decay>(decays),
    },
    weightDecay: {
      flag: '--weight-decay <rate>',
      does: 'AdamW: how fast weights shrink',
      schema: atLeastZero,
      read: number,
    },
    clipNorm: {
      flag: '--clip-norm <norm>',
      does: 'scale down gradients that are longer',
      schema: aboveZero().optional(),
      read: number,
    },
    ema: {
      flag: '--ema <decay>',
      does: 'sample with a moving average of the weights, by default 0.9999; 0 for the weights themselves',
      schema: fraction.optional(),
      read: number,
    },
  },
  Running: {
    backend: {
      flag: '--backend <name>',
      does: `what executes the network: ${executionNames.join(', ')}`,
      schema: oneOf<ExecutionName>(executionNames),
      changeable: true,
    },
    seed: { flag: '--seed <n>', does: 'everything random follows from it', schema: wholeNumber(), read: number },
    validateEvery: {
      flag: '--validate-every <n>',
      does: 'steps between two measurements of the held-out images; 0 for none; by default an epoch',
      schema: wholeNumber(0).optional(),
      read: number,
      changeable: true,
    },
    sampleEvery: {
      flag: '--sample-every <n>',
      does: 'steps between two grids of samples; 0 for none; by default an epoch',
      schema: wholeNumber(0).optional(),
      read: number,
      changeable: true,
    },
    checkpointEvery: {
      flag: '--checkpoint-every <n>',
      does: 'steps between two checkpoints',
      schema: wholeNumber(1),
      read: number,
      changeable: true,
    },
    keep: {
      flag: '--keep <n>',
      does: 'how many checkpoints to keep',
      schema: wholeNumber(1),
      read: number,
      changeable: true,
    },
    maxSkipped: {
      flag: '--max-skipped <n>',
      does: 'stop after this many steps in a row whose loss or gradient is not finite',
      schema: wholeNumber(1),
      read: number,
      changeable: true,
    },
    out: {
      flag: '--out <folder>',
      does: 'run folder; by default runs/<preset>-<number>',
      schema: z.string().min(1, 'must name a folder').optional(),
    },
  },
} as const;

/** All that a run is made from: a preset, changed by the command line. */
export type Settings = SettingsOf<typeof table>;

/** Names of the settings that may be changed when a run is resumed. */
export const changeable: readonly string[] = Object.values(table).flatMap((group) =>
  Object.entries(group).flatMap(([name, option]) => ('changeable' in option ? [name] : [])),
);

/** Options of the command itself, beside the settings of the run. */
export const invocationTable = {
  Command: {
    preset: {
      flag: '--preset <name>',
      does: 'where the other options start from: tutorial (Fashion-MNIST, five epochs, the default) or quick (a few minutes)',
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
    quiet: { flag: '--quiet', does: 'print nothing but errors', schema: z.boolean().optional() },
    json: { flag: '--json', does: 'print JSON lines for machines', schema: z.boolean().optional() },
  },
} as const;
