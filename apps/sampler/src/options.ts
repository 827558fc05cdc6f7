import type { SettingsOf } from '@ddpm/app-common';
import { addOptions, checkSettings, number, oneOf, scheduleNames, schedules, wholeNumber } from '@ddpm/app-common';
import type { ExecutionName } from '@ddpm/execution';
import { executionNames } from '@ddpm/execution';
import type { PriorName } from '@ddpm/models';
import { priorNames, samplers, spacings } from '@ddpm/models';
import { Command } from 'commander';
import { z } from 'zod';

export const formats = ['png', 'grid', 'gif', 'apng', 'npz'] as const;
export type Format = (typeof formats)[number];

const finite = (error: string) => z.number({ error });
const share = (what: string) => {
  const error = `must be a number ${what}`;
  return z.number({ error }).min(0, error).max(1, error);
};
const stepCounts = 'must be whole numbers, or all, such as 5,10,all';
const list = (text: string) => text.split(',');
const two = <T extends z.ZodType>(item: T, error: string) => z.tuple([item, item], { error });

/** Every option of `ddpm-sample`. */
export const table = {
  'What to draw': {
    pretrained: {
      flag: '--pretrained <name>',
      does: 'instead of a model of your own, one that is installed: fashion-mnist is that of @ddpm/pretrained-fashion-mnist',
      schema: z.string().min(1, 'must name a model').optional(),
    },
    count: {
      flag: '--count <n>',
      does: 'how many images; by default 64, or 16 from words, or 8 between two or of a change, or 4 to compare',
      schema: wholeNumber(1).optional(),
      read: number,
    },
    seed: {
      flag: '--seed <n>',
      does: 'which images: one depends on the seed and its number alone; 0 by default',
      schema: wholeNumber(),
      read: number,
    },
    class: {
      flag: '--class <list>',
      does: 'of a model with classes: names or numbers of those to draw in turn, such as sneaker or 3,7; all of them by default',
      schema: z.string().optional(),
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
      does: 'of a stage of a cascade: the model that draws the small pictures; by default what lies in its folder as base',
      schema: z.string().min(1, 'must name a model').optional(),
    },
    augmentation: {
      flag: '--augmentation <s>',
      does: 'how much noise is added to the small pictures, as a share; 0.1 by default, if training added as much',
      schema: share('from 0 to 1').optional(),
      read: number,
    },
  },
  "Words to CLIP's vectors": {
    diffusionPrior: {
      flag: '--diffusion-prior <run>',
      does: "of a decoder that is asked in words: the run of ddpm-train --task prior that makes vectors of them; by default what lies in its folder as prior; none takes CLIP's vectors of the captions themselves",
      schema: z.string().min(1, 'must name a run').optional(),
    },
    priorGuidance: {
      flag: '--prior-guidance <s>',
      does: 'how much captions count for that prior; 1, the prior as it is, by default',
      schema: finite('must be a number').optional(),
      read: number,
    },
  },
  'How to draw': {
    sampler: {
      flag: '--sampler <name>',
      does: `${Object.keys(samplers).join(', ')}; dpm++2m by default, or what the model was tuned for; ancestral is the whole chain of timesteps`,
      schema: oneOf(Object.keys(samplers)).optional(),
    },
    steps: {
      flag: '--steps <n>',
      does: 'how many steps; by default as many as the model was tuned for, or 25, where a method does not look back 50, and all timesteps for ancestral',
      schema: wholeNumber(1).optional(),
      read: number,
    },
    spacing: {
      flag: '--spacing <name>',
      does: `how steps lie between noise and image: ${Object.keys(spacings).join(', ')}; each sampler has its own by default`,
      schema: oneOf(Object.keys(spacings)).optional(),
    },
    eta: {
      flag: '--eta <share>',
      does: 'how much noise the steps of ddim, dpm++, euler-ancestral and kdpm2 draw: 0 none, 1 as much as ancestral',
      schema: share('from 0 to 1').optional(),
      read: number,
    },
    churn: {
      flag: '--churn <amount>',
      does: 'noise that euler and heun add before each step: S_churn of EDM; none by default',
      schema: z.number({ error: 'must be a number of at least 0' }).min(0, 'must be a number of at least 0').optional(),
      read: number,
    },
    prior: {
      flag: '--prior <name>',
      does: 'where noise comes from: standard, N(0, 1), or matched, which is like the training images at the noisiest level; by default that where these show there',
      schema: oneOf<PriorName>(priorNames).optional(),
    },
  },
  'Low-rank updates': {
    lora: {
      flag: '--lora <list>',
      does: "LoRA files of the model, each with a colon and how much of it, 1 by default, such as a.safetensors:0.8,b.safetensors; ddpm-train's, diffusers', peft's or kohya's",
      schema: z.array(z.string().min(1, 'must name files')).optional(),
      read: list,
    },
  },
  'Guidance and limits': {
    guidance: {
      flag: '--guidance <s>',
      does: 'of a model with classes, trained to do without: how much they count; 1 is the model as it is, by default, 0 without classes, 2 to 4 plainer ones; of one that draws from words 3 by default, of a Stable Diffusion 7.5',
      schema: finite('must be a number').optional(),
      read: number,
    },
    classifier: {
      flag: '--classifier <run>',
      does: 'of a model without classes: lead images to them by this run of ddpm-train --task classifier --noised, as much as --guidance says, 1 by default',
      schema: z.string().min(1, 'must name a run').optional(),
    },
    clipGuidance: {
      flag: '--clip-guidance <run>',
      does: 'of a model that draws from words: lead images to their captions by this run of ddpm-train --task clip --noised; --guidance is 1 then, where nobody says',
      schema: z.string().min(1, 'must name a run').optional(),
    },
    clipScale: {
      flag: '--clip-scale <s>',
      does: 'how much it counts; 1 by default',
      schema: finite('must be a number').optional(),
      read: number,
    },
    negative: {
      flag: '--negative <caption>',
      does: 'of a Stable Diffusion: what guidance leads away from; nothing in particular by default',
      schema: z.string().optional(),
    },
    guidanceRescale: {
      flag: '--guidance-rescale <phi>',
      does: 'how far guided images get the contrast of unguided ones, from 0, by default, to 1',
      schema: share('from 0 to 1').optional(),
      read: number,
    },
    guidanceInterval: {
      flag: '--guidance-interval <low,high>',
      does: 'guide only between these noise levels σ, such as 0.3,3; everywhere by default',
      schema: two(finite('must be two numbers such as 0.3,3'), 'must be two numbers such as 0.3,3')
        .refine(([low, high]) => low >= 0 && high >= low, 'must be two numbers of at least 0, the lower first')
        .optional(),
      read: (text: string) => list(text).map(number),
    },
    threshold: {
      flag: '--threshold <quantile>',
      does: 'dynamic thresholding instead of clipping: scale what goes beyond black and white, by this quantile; dynamic is 0.995',
      schema: share('from 0 to 1').optional(),
      read: (text: string) => (text === 'dynamic' ? 0.995 : number(text)),
    },
    clip: {
      flag: '--no-clip',
      does: "leave the network's idea of the image as it is, where it goes beyond black and white",
      schema: z.boolean(),
    },
  },
  'From pictures': {
    from: {
      flag: '--from <picture>',
      does: 'draw variations of a picture, which is scaled and cut to the size of the model; with a decoder and a caption, change it towards that',
      schema: z.string().min(1, 'must name a picture').optional(),
    },
    strength: {
      flag: '--strength <share>',
      does: 'how much of the way to noise pictures are taken, above 0 to 1; 0.6 by default for --from, 1 with --mask',
      schema: z
        .number({ error: 'must be a number above 0 and at most 1' })
        .positive('must be a number above 0 and at most 1')
        .max(1, 'must be a number above 0 and at most 1')
        .optional(),
      read: number,
    },
    mask: {
      flag: '--mask <picture>',
      does: 'of --from, draw anew only where this is white, and keep it where this is black',
      schema: z.string().min(1, 'must name a picture').optional(),
    },
    resample: {
      flag: '--resample <n>',
      does: 'with --mask, of a model that has not learned inpainting: how often to go through each part of the way, so that what is drawn fits (RePaint); 10 by default',
      schema: wholeNumber(1).optional(),
      read: number,
    },
    insteadOf: {
      flag: '--instead-of <caption>',
      does: 'of a decoder, with --from and a caption: what of the picture that caption is in place of; nothing in particular by default',
      schema: z.string().optional(),
    },
    turn: {
      flag: '--turn <share>',
      does: 'how far the last image is changed, above 0 to 1, the whole difference of the two captions; 0.5 by default',
      schema: z
        .number({ error: 'must be a number above 0 and at most 1' })
        .positive('must be a number above 0 and at most 1')
        .max(1, 'must be a number above 0 and at most 1')
        .optional(),
      read: number,
    },
    interpolate: {
      flag: '--interpolate <a,b>',
      does: 'the way from one to another: two seeds, or two pictures, which are led to noise and back, or with --strength mixed among so much of it',
      schema: two(z.string().min(1), 'must be two seeds or two pictures, with a comma between').optional(),
      read: list,
    },
  },
  'Several ways at once': {
    compare: {
      flag: '--compare <list>',
      does: 'one picture of the same noise under several samplers, or all, with the seconds that each took',
      schema: z.array(oneOf(['all', ...Object.keys(samplers)])).optional(),
      read: list,
    },
    compareSteps: {
      flag: '--compare-steps <list>',
      does: 'the numbers of steps to compare, all for every timestep; 5,10,20,50 by default',
      schema: z
        .array(z.union([z.literal('all'), z.int(stepCounts).min(1, stepCounts)], { error: stepCounts }))
        .optional(),
      read: (text: string) => list(text).map(number),
    },
  },
  Running: {
    batchSize: {
      flag: '--batch-size <n>',
      does: 'images drawn at a time; by default as many as fit the memory, at most 64; does not change them',
      schema: wholeNumber(1).optional(),
      read: number,
    },
    backend: {
      flag: '--backend <name>',
      does: `what executes the network: ${executionNames.join(', ')}`,
      schema: oneOf<ExecutionName>(executionNames),
    },
  },
  'What to write': {
    format: {
      flag: '--format <list>',
      does: `any of ${formats.join(', ')}, separated by commas; png,grid,gif by default`,
      schema: z.array(oneOf<Format>(formats)),
      read: list,
    },
    trajectory: { flag: '--trajectory', does: 'every step of every image too, as trajectory.npz', schema: z.boolean() },
    out: {
      flag: '--out <folder>',
      does: 'where the images go; by default samples-<number> beside the model',
      schema: z.string().min(1, 'must name a folder').optional(),
    },
    export: {
      flag: '--export <file>',
      does: 'draw nothing, but write the network as ONNX (.onnx), or as a PyTorch state_dict (.safetensors, of the U-Net); or, by the name of a new folder, one that began with a folder of diffusers as such',
      schema: z.string().optional(),
    },
  },
  'Of a PyTorch state_dict, which does not tell': {
    schedule: {
      flag: '--schedule <name>',
      does: `${scheduleNames}; linear by default`,
      schema: oneOf(Object.keys(schedules)).optional(),
    },
    timesteps: {
      flag: '--timesteps <n>',
      does: 'noise levels T; 200 by default',
      schema: wholeNumber(1).optional(),
      read: number,
    },
    imageSize: {
      flag: '--image-size <pixels>',
      does: "height and width; 28 by default; also of a Stable Diffusion's images, whose own it is by default",
      schema: wholeNumber(1).optional(),
      read: number,
    },
  },
} as const;

export type Settings = SettingsOf<typeof table>;

const defaults = {
  seed: 0,
  clip: true,
  backend: 'auto',
  format: ['png', 'grid', 'gif'],
  trajectory: false,
} as const;

export function sampleCommand(): Command {
  const command = new Command('ddpm-sample')
    .description('Draws images from a trained model.')
    .argument(
      '[model]',
      "run folder, checkpoint, folder of diffusers' DDPM, DDIM, latent or Stable Diffusion pipeline, or PyTorch state_dict (safetensors, .pt, .pth, .bin) of the tutorial's U-Net or of denoising-diffusion-pytorch's",
    )
    .argument(
      '[captions...]',
      'of a model that draws from words: what is to be seen, such as "red hat"; several in turn',
    )
    .showSuggestionAfterError()
    .allowExcessArguments(false);
  return addOptions(command, table);
}

/** @throws UsageError in one line that names the option, what it allows and what came. */
export const settingsFrom = (given: Readonly<Record<string, unknown>>): Settings =>
  checkSettings(table, { ...defaults, ...given });
