import type { SettingsOf } from '@ddpm/app-common';
import { addOptions, checkSettings, number, oneOf, scheduleNames, schedules, wholeNumber } from '@ddpm/app-common';
import { datasetNames } from '@ddpm/datasets';
import { featureNames } from '@ddpm/evaluation';
import type { ExecutionName } from '@ddpm/execution';
import { executionNames } from '@ddpm/execution';
import type { PriorName } from '@ddpm/models';
import { priorNames, samplers, spacings } from '@ddpm/models';
import { Command } from 'commander';
import { z } from 'zod';

const names = (table: object) => Object.keys(table);
const levels = 'must be numbers from 0 to below 1, such as 0,0.1,0.3';

/** Every option of `ddpm-evaluate`. */
export const table = {
  'What is measured': {
    count: {
      flag: '-n, --count <n>',
      does: 'how many images of each: 1024 of a model by default, and all of a folder or file; fewer than 1,000 mislead',
      schema: wholeNumber(20).optional(),
      read: number,
    },
    seed: {
      flag: '--seed <n>',
      does: 'which images a model draws, and which real ones they are compared with; 0 by default',
      schema: wholeNumber(),
      read: number,
    },
    attributes: {
      flag: '--attributes <n>',
      does: 'of how many portraits to read whether they show what was asked for, of a model that draws pixel-art from words; 256 by default',
      schema: wholeNumber(0),
      read: number,
    },
  },
  'Instead of that': {
    bitsPerDim: {
      flag: '--bits-per-dim <images>',
      does: "draw nothing, but measure the bound on held-out images' bits per dimension, of so many, over all of a schedule's timesteps or --steps of them",
      schema: wholeNumber(1).optional(),
      read: number,
    },
  },
  'The real images': {
    dataset: {
      flag: '--dataset <name>',
      does: `${datasetNames.join(', ')}; by default what the model was trained on`,
      schema: oneOf(datasetNames).optional(),
    },
    dataDir: { flag: '--data-dir <folder>', does: "where the dataset's files are", schema: z.string().optional() },
    imageSize: {
      flag: '--image-size <pixels>',
      does: 'their height and width, where they are to be resized',
      schema: wholeNumber(1).optional(),
      read: number,
    },
    channels: {
      flag: '--channels <n>',
      does: 'gray (1), RGB (3) or RGBA (4), where they are to be changed',
      schema: z.literal([1, 3, 4], { error: 'must be 1, 3 or 4' }).optional(),
      read: number,
    },
  },
  'From words': {
    textEncoder: {
      flag: '--text-encoder <folder>',
      does: 'of a model that was trained with a pretrained text encoder: where that lies; by default where it lay in training',
      schema: z.string().min(1, 'must name a folder').optional(),
    },
  },
  'Large images of small ones': {
    base: {
      flag: '--base <model>',
      does: 'of a stage of a cascade: the model that draws the small pictures, or real, which makes real images small; by default what lies in its folder as base',
      schema: z.string().min(1, 'must name a model, or real').optional(),
    },
    augmentation: {
      flag: '--augmentation <levels>',
      does: 'how much noise is added to the small pictures, as a share, such as 0.1, or each of 0,0.1,0.3; 0.1 by default, if training added as much',
      schema: z
        .array(z.number({ error: levels }).min(0, levels).lt(1, levels), { error: levels })
        .min(1, levels)
        .optional(),
      read: (text: string) => text.split(',').map(number),
    },
  },
  'How a model draws': {
    guidance: {
      flag: '--guidance <scales>',
      does: 'of a model that takes classes or words, trained to do without: how much they count, such as 2, or each of 1,2,4; 1 is the model as it is, by default',
      schema: z
        .array(z.number({ error: 'must be numbers such as 1,2,4' }), { error: 'must be numbers such as 1,2,4' })
        .min(1, 'must be numbers such as 1,2,4')
        .optional(),
      read: (text: string) => text.split(',').map(number),
    },
    classifier: {
      flag: '--classifier <run>',
      does: 'of a model without classes: lead images to all of them in turn by this run of ddpm-train --task classifier --noised, as much as --guidance says, 1 by default, 0 not at all',
      schema: z.string().min(1, 'must name a run').optional(),
    },
    diffusionPrior: {
      flag: '--diffusion-prior <run>',
      does: "of a decoder of CLIP's vectors: the run of ddpm-train --task prior that makes vectors of captions; by default what lies in its folder as prior; none takes CLIP's vectors of the captions themselves",
      schema: z.string().min(1, 'must name a run').optional(),
    },
    sampler: {
      flag: '--sampler <name>',
      does: `${names(samplers).join(', ')}; dpm++2m by default, or what the model was tuned for`,
      schema: oneOf(names(samplers)).optional(),
    },
    steps: {
      flag: '--steps <n>',
      does: "how many steps; by default the sampler's own number",
      schema: wholeNumber(1).optional(),
      read: number,
    },
    spacing: {
      flag: '--spacing <name>',
      does: `which levels they visit: ${names(spacings).join(', ')}; by default what suits the sampler`,
      schema: oneOf(names(spacings)).optional(),
    },
    eta: {
      flag: '--eta <n>',
      does: 'how much noise is drawn on the way, 0 to 1, of samplers that have the choice',
      schema: z
        .number({ error: 'must be a number from 0 to 1' })
        .min(0, 'must be a number from 0 to 1')
        .max(1, 'must be a number from 0 to 1')
        .optional(),
      read: number,
    },
    prior: {
      flag: '--prior <name>',
      does: 'where noise comes from: standard or matched; by default what suits the model',
      schema: oneOf<PriorName>(priorNames).optional(),
    },
    batchSize: {
      flag: '--batch-size <n>',
      does: 'images drawn at a time; 64 by default; does not change them',
      schema: wholeNumber(1),
      read: number,
    },
    backend: {
      flag: '--backend <name>',
      does: `what executes the networks: ${executionNames.join(', ')}`,
      schema: oneOf<ExecutionName>(executionNames),
    },
  },
  'The features': {
    features: {
      flag: '--features <name>',
      does: `${featureNames.join(', ')}, or a run of ddpm-train --task classifier, or an ONNX file; by default fashion-mnist for images like its own, and pixels for others`,
      schema: z.string().min(1, 'must name features').optional(),
    },
    layout: {
      flag: '--layout <name>',
      does: "nchw or nhwc: of an ONNX file, by default what its input's shape tells",
      schema: oneOf(['nchw', 'nhwc']).optional(),
    },
    range: {
      flag: '--range <black,white>',
      does: 'what black and white are to an ONNX file, such as 0,255; -1,1 by default',
      schema: z
        .tuple([z.number(), z.number()], { error: 'must be two numbers such as 0,255' })
        .refine(([black, white]) => black !== white, 'must be two numbers such as 0,255')
        .optional(),
      read: (text: string) => text.split(',').map(number),
    },
    output: {
      flag: '--output <name>',
      does: 'the output of an ONNX file that holds the features; by default the first',
      schema: z.string().optional(),
    },
  },
  'What is written': {
    out: {
      flag: '--out <folder>',
      does: "where evaluation.json and the neighbours' pictures go; by default into each run folder, and nowhere for what is no run",
      schema: z.string().min(1, 'must name a folder').optional(),
    },
  },
  'Of a PyTorch state_dict, which does not tell': {
    schedule: {
      flag: '--schedule <name>',
      does: `${scheduleNames}; linear by default`,
      schema: oneOf(names(schedules)).optional(),
    },
    timesteps: {
      flag: '--timesteps <n>',
      does: 'noise levels T; 200 by default. Its images are of --image-size, 28 by default',
      schema: wholeNumber(1).optional(),
      read: number,
    },
  },
} as const;

export type Settings = SettingsOf<typeof table>;

const defaults = { seed: 0, batchSize: 64, backend: 'auto', attributes: 256 } as const;

export function evaluateCommand(): Command {
  const command = new Command('ddpm-evaluate')
    .description('Measures how close the images of models are to real ones.')
    .argument(
      '<what...>',
      "run folders, checkpoints, folders of diffusers' pipelines, PyTorch state_dicts of the tutorial's U-Net or of denoising-diffusion-pytorch's, folders of pictures, or npz files of images",
    )
    .showSuggestionAfterError()
    .allowExcessArguments(false);
  return addOptions(command, table);
}

/** @throws UsageError in one line that names the option, what it allows and what came. */
export const settingsFrom = (given: Readonly<Record<string, unknown>>): Settings =>
  checkSettings(table, { ...defaults, ...given });
