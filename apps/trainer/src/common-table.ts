import type { OptionTable, SettingsOf } from '@ddpm/app-common';
import { aboveZero, atLeastZero, fraction, number, oneOf, wholeNumber } from '@ddpm/app-common';
import { datasetNames } from '@ddpm/datasets';
import { featureNames } from '@ddpm/evaluation';
import type { ExecutionName } from '@ddpm/execution';
import { executionNames } from '@ddpm/execution';
import type { Decay } from '@ddpm/train';
import { decays } from '@ddpm/train';
import { z } from 'zod';

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/**
 * The options of every kind of training that come before its own in `--help`. `changeable` is what may change when a run
 * is resumed, since nothing that was already done depends on it.
 */
const first = {
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
      does: 'held-out images whose loss is measured: of the test split where there is one, otherwise some that are spread evenly',
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
} as const satisfies OptionTable;

/** The options that come after. */
const last = {
  Network: {
    network: {
      flag: '--network <package>',
      does: 'package or ./file whose default export makes the network',
      schema: z.string().min(1, 'must name a package or a file'),
      inherited: true,
    },
    from: {
      flag: '--from <path>',
      does: 'begin with the weights of this run folder, checkpoint, folder of diffusers or package of a pretrained model, whose network and levels these then are',
      schema: z.string().min(1, 'must name a run folder, a checkpoint, a folder of diffusers or a package').optional(),
    },
    networkOptions: {
      flag: '--network-options <json>',
      does: 'options for the network, beside channels and seed',
      schema: z.record(z.string(), z.json(), { error: 'must be a JSON object' }),
      read: json,
      inherited: true,
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
    beta2: {
      flag: '--beta2 <decay>',
      does: "Adam's memory of the gradients' squares: 0.999 by default; short runs want less",
      schema: z
        .number({ error: 'must be a number from 0 to below 1' })
        .min(0, 'must be a number from 0 to below 1')
        .lt(1, 'must be a number from 0 to below 1')
        .optional(),
      read: number,
    },
    weightDecay: {
      flag: '--weight-decay <rate>',
      does: 'AdamW: how fast weights shrink',
      schema: atLeastZero(),
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
      schema: fraction().optional(),
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
    evaluateEvery: {
      flag: '--evaluate-every <n>',
      does: 'steps between two measurements of how close drawn images are to real ones; none by default',
      schema: wholeNumber(0).optional(),
      read: number,
      changeable: true,
    },
    evaluateImages: {
      flag: '--evaluate-images <n>',
      does: 'images drawn for each; 1024 by default; figures of other numbers cannot be compared',
      schema: wholeNumber(20).optional(),
      read: number,
      changeable: true,
    },
    features: {
      flag: '--features <name>',
      does: `what they are judged by: ${featureNames.join(', ')}, or a run of --task classifier, or an ONNX file; by default fashion-mnist for images like its own, and pixels for others`,
      schema: z.string().min(1, 'must name features').optional(),
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
} as const satisfies OptionTable;

/** The settings that every kind of training has. */
export type CommonSettings = SettingsOf<typeof first> & SettingsOf<typeof last>;

/** The options of every kind of training, before its own and after. */
export const common = { first, last };
