import type { SettingsOf } from '@ddpm/app-common';
import { addOptions, checkSettings, number, oneOf, scheduleNames, schedules, wholeNumber } from '@ddpm/app-common';
import type { ExecutionName } from '@ddpm/execution';
import { executionNames } from '@ddpm/execution';
import { Command } from 'commander';
import { z } from 'zod';

export const formats = ['png', 'grid', 'gif', 'apng', 'npz'] as const;
export type Format = (typeof formats)[number];

/** Every option of `ddpm-sample`. */
export const table = {
  'What to draw': {
    count: { flag: '--count <n>', does: 'how many images; 64 by default', schema: wholeNumber(1), read: number },
    seed: {
      flag: '--seed <n>',
      does: 'which images: one depends on the seed and its number alone; 0 by default',
      schema: wholeNumber(),
      read: number,
    },
    class: {
      flag: '--class <name>',
      does: 'of a model with classes: the name or number of the one to draw; by default all of them in turn',
      schema: z.string().optional(),
    },
  },
  'How to draw': {
    steps: {
      flag: '--steps <n>',
      does: 'so many steps of DDIM, instead of ancestral sampling over all timesteps; 50 where there are none',
      schema: wholeNumber(1).optional(),
      read: number,
    },
    clip: {
      flag: '--no-clip',
      does: "leave the network's idea of the image as it is, where it goes beyond black and white",
      schema: z.boolean(),
    },
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
      read: (text: string) => text.split(','),
    },
    trajectory: { flag: '--trajectory', does: 'every step of every image too, as trajectory.npz', schema: z.boolean() },
    out: {
      flag: '--out <folder>',
      does: 'where the images go; by default samples-<number> beside the model',
      schema: z.string().min(1, 'must name a folder').optional(),
    },
    export: {
      flag: '--export <file>',
      does: 'draw nothing, but write the network as ONNX (.onnx), or as a PyTorch state_dict (.safetensors, of the U-Net)',
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
      does: 'height and width; 28 by default',
      schema: wholeNumber(1).optional(),
      read: number,
    },
  },
} as const;

export type Settings = SettingsOf<typeof table>;

const defaults = {
  count: 64,
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
      '<model>',
      "run folder, checkpoint, folder of diffusers' DDPM or DDIM pipeline, or PyTorch state_dict (safetensors, .pt, .pth, .bin) of the tutorial's U-Net",
    )
    .showSuggestionAfterError()
    .allowExcessArguments(false);
  return addOptions(command, table);
}

/** @throws UsageError in one line that names the option, what it allows and what came. */
export const settingsFrom = (given: Readonly<Record<string, unknown>>): Settings =>
  checkSettings(table, { ...defaults, ...given });
