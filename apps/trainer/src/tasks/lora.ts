import type { SettingsOf } from '@ddpm/app-common';
import { aboveZero, number, wholeNumber } from '@ddpm/app-common';
import { denoising, l2, logNormal, stratified, uniformFlow } from '@ddpm/diffusion';
import { loraParameters, lora as lowRank, withLora, writeLora } from '@ddpm/lora';
import { loraNames, meaningToJson } from '@ddpm/models';
import { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import type { CommonSettings } from '../common-table';
import { defaults } from '../defaults';
import { valuesOf } from './frozen';
import { latentOptions } from './latent';
import type { Ingredients, Training } from './training';
import { kind } from './training';
import { openTuned, tunedTraining } from './tuned';

/** The file of the updates in a run folder. */
const FILE = 'lora.safetensors';

const options = {
  'Low-rank updates': {
    lora: {
      flag: '--lora <rank>',
      does: 'how many directions the update of each layer has',
      schema: wholeNumber(1),
      read: number,
    },
    loraAlpha: {
      flag: '--lora-alpha <a>',
      does: 'the updates count α/rank; by default α is the rank',
      schema: aboveZero().optional(),
      read: number,
    },
    loraLayers: {
      flag: '--lora-layers <pattern>',
      does: 'which layers are updated, a regular expression of their paths, such as attention; all matrices and convolutions by default',
      schema: z
        .string()
        .refine((text) => isPattern(text), 'must be a regular expression')
        .optional(),
    },
  },
  Latents: { latents: latentOptions.latents },
} as const;
type Settings = CommonSettings & SettingsOf<typeof options>;

function isPattern(text: string): boolean {
  try {
    return new RegExp(text) instanceof RegExp;
  } catch {
    return false;
  }
}

const preset: Settings = {
  ...defaults,
  ...{ dataset: 'folder', flip: false, steps: 500, batchSize: 8, lora: 8 },
  ...{ learningRate: 1e-3, warmup: 20, beta2: 0.99, clipNorm: 1, ema: 0.98 },
  ...{ network: 'that of --from', sampleEvery: 250, checkpointEvery: 250 },
};

/** Low-rank updates of a denoiser, which stays as it is beside them (Hu et al. 2021). */
async function make(ingredients: Ingredients<Settings>): Promise<Training> {
  const { settings } = ingredients;
  const opened = await openTuned('lora', ingredients, { apart: true, latents: settings.latents });
  const { denoiser, variables } = opened;
  const { network: base, parameters: frozen, parameterisation, levels } = denoiser;
  const { lora: rank, loraAlpha: alpha = rank, loraLayers, seed } = settings;
  const pattern = new RegExp(loraLayers ?? '');
  const updates = lowRank(base, {
    ...{ rank, alpha, rng: new Random([seed, 'lora']) },
    layers: (path) => variables.parameters.has(`denoiser.${path}.weight`) && pattern.test(path),
  });
  const parameters = loraParameters(updates);
  const network = withLora(base, [{ lora: updates }]);
  const source = levels.schedule ? stratified(levels.schedule) : levels.kind === 'flow' ? uniformFlow() : logNormal();
  const objective = { network, parameters, parameterisation, loss: l2, levels: source };
  const trained = tunedTraining(ingredients, {
    opened: { ...opened, variables: { ...variables, frozen, kept: valuesOf(frozen) } },
    ...{ network, parameters: new Map([...frozen, ...parameters]) },
    task: denoising(objective),
    validation: denoising({ ...objective, evaluation: true }),
  });
  const count = [...parameters.values()].reduce((sum, { size }) => sum + size, 0);
  return {
    ...trained,
    begun: true,
    meaning: meaningToJson({ ...denoiser, lora: { alpha } }),
    description: `LoRA: rank ${rank} in ${updates.size} layers of ${settings.network}, ${count.toLocaleString('en')} parameters`,
    notes: [...(trained.notes ?? []), `Updates alone: ${FILE}, beside the checkpoint; ddpm-sample takes it by --lora`],
    files: async () => ({ [FILE]: await writeLora(updates, loraNames(base)) }),
    async dispose() {
      await trained.dispose();
      tf.dispose([...parameters.values()]);
    },
  };
}

/** Low-rank updates of a denoiser. */
export const lora = kind({
  name: 'lora',
  does: 'low-rank updates of the denoiser that --from names, on other images',
  calledBy: 'lora',
  begins: ['denoise', 'text-to-image', 'distill', 'consistency'],
  presets: { lora: { does: 'rank 8, some hundred steps', settings: preset } },
  ...{ options, make },
});
