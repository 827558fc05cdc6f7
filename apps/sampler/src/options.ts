import { backendNames, UsageError } from '@ddpm/app-common';
import type { ExecutionName } from '@ddpm/app-common';
import { Command } from 'commander';
import { z } from 'zod';

const wholeNumber = (least: number) =>
  z.int({ error: `must be a whole number of at least ${least}` }).min(least, `must be a whole number of at least ${least}`);

const settingsSchema = z.strictObject({
  count: wholeNumber(1),
  seed: z.int({ error: 'must be a whole number' }),
  backend: z.enum(backendNames as unknown as [ExecutionName, ...ExecutionName[]], { error: `must be one of ${backendNames.join(', ')}` }),
  out: z.string().min(1, 'must name a folder').optional(),
});

export type Settings = z.infer<typeof settingsSchema>;

const number = (text: string): number | string => (text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text));

export function sampleCommand(): Command {
  return new Command('ddpm-sample')
    .description('Draws images from a trained model: single PNGs, a grid of them, and an animation of how one came to be.')
    .argument('<run>', 'run folder, or checkpoint file')
    .option('--count <n>', 'how many images', number, 64)
    .option('--seed <n>', 'everything random follows from it', number, 0)
    .option('--backend <name>', `what executes the network: ${backendNames.join(', ')}`, 'auto')
    .option('--out <folder>', 'where the images go (by default samples-<number> in the run folder)')
    .showSuggestionAfterError()
    .allowExcessArguments(false);
}

/** @throws UsageError in one line that names the option, what it allows and what came. */
export function settingsFrom(given: Readonly<Record<string, unknown>>): Settings {
  const result = settingsSchema.safeParse(given);
  if (result.success) return result.data;
  const problems = result.error.issues.map(
    ({ path, message }) => `--${String(path[0])} ${message}, got ${JSON.stringify(given[String(path[0])])}`,
  );
  throw new UsageError(problems.join('; '));
}
