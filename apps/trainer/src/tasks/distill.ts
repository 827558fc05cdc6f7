import type { SettingsOf } from '@ddpm/app-common';
import { number, UsageError, wholeNumber } from '@ddpm/app-common';
import { distillation } from '@ddpm/diffusion';
import { parameterCount } from '@ddpm/layers';
import { meaningFromJson, spacings } from '@ddpm/models';
import type { CommonSettings } from '../common-table';
import { defaults } from '../defaults';
import type { Ingredients, Training } from './training';
import { kind } from './training';
import { checkTuned, openTuned, tunedTraining } from './tuned';

/** Steps of a teacher that was not distilled itself, where nobody says. */
const STEPS = 4;

const options = {
  'Few steps': {
    teacherSteps: {
      flag: '--teacher-steps <n>',
      does: `steps of DDIM that the teacher takes; those that it was tuned for by default, or ${STEPS}`,
      schema: wholeNumber(2).optional(),
      read: number,
    },
    halvings: {
      flag: '--halvings <n>',
      does: 'how often they are halved; each halving takes its share of --steps, and is the teacher of the next',
      schema: wholeNumber(1),
      read: number,
    },
  },
} as const;
type Settings = CommonSettings & SettingsOf<typeof options>;

/** The quick preset's denoiser, in a single step. */
const preset: Settings = {
  ...defaults,
  ...{ dataset: 'fashion-mnist-10k', flip: true, steps: 600, batchSize: 32, halvings: 2 },
  ...{ learningRate: 1e-3, warmup: 50, decay: 'cosine', beta2: 0.99, clipNorm: 1, ema: 0.98 },
  ...{ network: 'that of --from', sampleEvery: 300, checkpointEvery: 300 },
};

/** A denoiser that draws in a part of its teacher's steps (Salimans & Ho 2022). */
async function make(ingredients: Ingredients<Settings>): Promise<Training> {
  const { settings, before } = ingredients;
  const opened = await openTuned('distill', ingredients);
  const { denoiser, variables, again } = opened;
  const teacher = await again();
  const { sampling } = meaningFromJson(before!.checkpoint.meaning);
  const { halvings } = settings;
  const teacherSteps = settings.teacherSteps ?? (sampling?.sampler === 'ddim' ? sampling.steps : STEPS);
  if (!Number.isInteger(teacherSteps / 2 ** halvings))
    throw new UsageError(`--halvings ${halvings}: the teacher's ${teacherSteps} steps cannot be halved so often`);
  const { network, parameterisation, levels } = denoiser;
  const steps = teacherSteps / 2 ** halvings;
  const task = distillation({
    ...{ network, parameters: variables.parameters, parameterisation, teacherSteps, halvings },
    ...{ teacher: teacher.network, teacherParameters: teacher.parameters },
    levels: (count) => spacings.trailing(levels, count),
    every: Math.ceil(settings.steps! / halvings),
  });
  return {
    ...tunedTraining(ingredients, { opened, task, sampling: { sampler: 'ddim', steps, spacing: 'trailing' } }),
    settings: { teacherSteps },
    description: `Student: ${settings.network}, ${parameterCount(network).toLocaleString('en')} parameters, ${steps} of its teacher's ${teacherSteps} steps`,
  };
}

/** Fewer steps by progressive distillation. */
export const distill = kind({
  name: 'distill',
  does: 'a denoiser that takes a part of the steps of the one that --from names',
  begins: ['denoise', 'text-to-image', 'distill', 'lora'],
  presets: { distill: { does: 'one step instead of four, in some minutes', settings: preset } },
  settle: checkTuned,
  ...{ options, make },
});
