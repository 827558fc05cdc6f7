import type { ExecutionName } from '@ddpm/app-common';
import { backendNames, kebab, number, oneOf, schedules, show, UsageError, wholeNumber } from '@ddpm/app-common';
import { Command } from 'commander';
import { z } from 'zod';

export const formats = ['png', 'grid', 'gif', 'apng', 'npz'] as const;
export type Format = (typeof formats)[number];

const settingsSchema = z.strictObject({
  count: wholeNumber(1),
  batchSize: wholeNumber(1).optional(),
  seed: wholeNumber(),
  steps: wholeNumber(1).optional(),
  format: z.array(oneOf<Format>(formats)),
  trajectory: z.boolean(),
  clip: z.boolean(),
  backend: oneOf<ExecutionName>(backendNames),
  schedule: oneOf(Object.keys(schedules)).optional(),
  timesteps: wholeNumber(1).optional(),
  imageSize: wholeNumber(1).optional(),
  out: z.string().min(1, 'must name a folder').optional(),
  export: z.string().optional(),
});

export type Settings = z.infer<typeof settingsSchema>;

export function sampleCommand(): Command {
  return new Command('ddpm-sample')
    .description('Draws images from a trained model.')
    .argument('<model>', "run folder, checkpoint, or PyTorch state_dict (safetensors) of the tutorial's U-Net")
    .option('--count <n>', 'how many images', number, 64)
    .option('--batch-size <n>', 'images drawn at a time (by default as many as fit the memory, at most 64); does not change them', number)
    .option('--seed <n>', 'everything random follows from it', number, 0)
    .option('--steps <n>', 'so many steps of DDIM, instead of ancestral sampling over all timesteps', number)
    .option('--format <list>', `what to write: ${formats.join(', ')}`, (text: string) => text.split(','), ['png', 'grid', 'gif'])
    .option('--trajectory', 'write every step of every image too, as trajectory.npz', false)
    .option('--no-clip', "leave the network's idea of the image as it is, where it goes beyond black and white")
    .option('--backend <name>', `what executes the network: ${backendNames.join(', ')}`, 'auto')
    .option('--schedule <name>', `of a state_dict, which does not tell: ${Object.keys(schedules).join(', ')} (by default linear)`)
    .option('--timesteps <n>', 'of a state_dict: noise levels T (by default 200)', number)
    .option('--image-size <pixels>', 'of a state_dict: height and width (by default 28)', number)
    .option('--out <folder>', 'where the images go (by default samples-<number> beside the model)')
    .option('--export <file>', 'draw nothing, but write the network as ONNX (.onnx), or as a PyTorch state_dict (.safetensors)')
    .showSuggestionAfterError()
    .allowExcessArguments(false);
}

/** @throws UsageError in one line that names the option, what it allows and what came. */
export function settingsFrom(given: Readonly<Record<string, unknown>>): Settings {
  const result = settingsSchema.safeParse(given);
  if (result.success) return result.data;
  const problems = result.error.issues.map(
    ({ path, message }) => `--${kebab(String(path[0]))} ${message}, got ${show(given[String(path[0])])}`,
  );
  throw new UsageError(problems.join('; '));
}
