import type { SettingsOf } from '@ddpm/app-common';
import { aboveZero, atLeastZero, number, wholeNumber } from '@ddpm/app-common';
import type { Clock, LevelSource } from '@ddpm/diffusion';
import { consistency, edmClock, flowClock, logNormal, scheduleClock, stratified, uniformFlow } from '@ddpm/diffusion';
import { parameterCount } from '@ddpm/layers';
import type { KnownLevels } from '@ddpm/models';
import { z } from 'zod';
import type { CommonSettings } from '../common-table';
import { defaults } from '../defaults';
import type { Ingredients, Training } from './training';
import { kind } from './training';
import { checkTuned, openTuned, tunedTraining } from './tuned';

/** Steps of the sampler, where nobody says. */
const STEPS = 2;

const options = {
  'Few steps': {
    deltaStages: {
      flag: '--delta-stages <n>',
      does: 'how often the distance Δt between the two levels shrinks; each stage takes its share of --steps',
      schema: wholeNumber(1),
      read: number,
    },
    deltaQ: {
      flag: '--delta-q <q>',
      does: 'how much, in each stage; the first begins with 1/q of t',
      schema: z.number({ error: 'must be a number above 1' }).gt(1, 'must be a number above 1'),
      read: number,
    },
    deltaK: {
      flag: '--delta-k <k>',
      does: 'how much longer Δt is where there is little noise: 1 + k·sigmoid(−b·σ) times',
      schema: atLeastZero(),
      read: number,
    },
    deltaB: {
      flag: '--delta-b <b>',
      does: 'how fast that ends as σ grows',
      schema: aboveZero(),
      read: number,
    },
  },
} as const;
type Settings = CommonSettings & SettingsOf<typeof options>;

/** The quick preset's denoiser, in one or two steps. */
const preset: Settings = {
  ...defaults,
  ...{ dataset: 'fashion-mnist-10k', flip: true, steps: 1000, batchSize: 32 },
  ...{ deltaStages: 4, deltaQ: 2, deltaK: 8, deltaB: 1 },
  ...{ learningRate: 5e-4, warmup: 50, decay: 'cosine', beta2: 0.99, clipNorm: 1, ema: 0.98 },
  ...{ network: 'that of --from', sampleEvery: 500, checkpointEvery: 500 },
};

/** The levels t that are drawn, and the time that Δt is measured by. */
function levelsFor({ kind: of, schedule, scale }: KnownLevels): { levels: LevelSource; clock: Clock } {
  if (schedule) return { levels: stratified(schedule), clock: scheduleClock(schedule) };
  // Of EDM's, those of the paper's code for CIFAR-10.
  return of === 'flow'
    ? { levels: uniformFlow(), clock: flowClock() }
    : { levels: logNormal({ mean: -1.1, deviation: 2 }), clock: edmClock({ min: scale.min }) };
}

/** A denoiser that says the same image at every level (Geng et al. 2024). */
async function make(ingredients: Ingredients<Settings>): Promise<Training> {
  const { settings } = ingredients;
  const opened = await openTuned('consistency', ingredients);
  const { denoiser, variables } = opened;
  const { network, parameterisation, levels } = denoiser;
  const { deltaStages, deltaQ: q, deltaK: k, deltaB: b, steps } = settings;
  const task = consistency({
    ...{ network, parameters: variables.parameters, parameterisation, q, k, b },
    ...levelsFor(levels),
    every: Math.ceil(steps! / deltaStages),
  });
  return {
    ...tunedTraining(ingredients, {
      ...{ opened, task },
      sampling: { sampler: 'lcm', steps: STEPS, spacing: 'trailing' },
    }),
    description: `Consistency: ${settings.network}, ${parameterCount(network).toLocaleString('en')} parameters, in ${deltaStages} stages`,
  };
}

/** Few steps by consistency tuning. */
export const consistent = kind({
  name: 'consistency',
  does: 'the denoiser that --from names, tuned to draw in one or two steps',
  begins: ['denoise', 'text-to-image', 'consistency', 'lora'],
  presets: { consistency: { does: 'one or two steps, in some minutes', settings: preset } },
  settle: checkTuned,
  ...{ options, make },
});
