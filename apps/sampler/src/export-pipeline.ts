import { Unet2d } from '@ddpm/adm';
import type { JsonObject } from '@ddpm/checkpoint';
import { PromptedUnet, savePipeline } from '@ddpm/diffusers';
import type { CaptionMeaning, Denoiser, Model } from '@ddpm/models';

/** diffusers' names of what networks predict, by ours. */
const predictions: Readonly<Record<string, string>> = { epsilon: 'epsilon', image: 'sample', velocity: 'v_prediction' };

/**
 * Writes a model of diffusers' networks, such as one that was fine-tuned, as a folder that Python's diffusers opens, with a
 * `DDIMScheduler` of its levels.
 * @throws Error in one line if it has others
 */
export async function exportPipeline({ denoiser, networks, description }: Model, folder: string): Promise<void> {
  const { network, latents, autoencoder, captions } = denoiser;
  const { config, text } = (networks?.denoiser.options ?? {}) as { config?: JsonObject; text?: JsonObject };
  const ofLatents = networks?.autoencoder?.options.config as JsonObject | undefined;
  const unet = network instanceof PromptedUnet ? network.unet : network instanceof Unet2d ? network : undefined;
  if (!config || !unet)
    throw new Error(`only a model that began with a folder of diffusers becomes one; this is ${description}`);
  if (latents && !ofLatents)
    throw new Error('its autoencoder did not come from a folder of diffusers, and so it does not become one');
  await savePipeline(folder, {
    ...{ unet, config, scheduler: schedulerOf(denoiser) },
    ...(autoencoder && ofLatents && { latents: { autoencoder: autoencoder.network, config: ofLatents } }),
    ...(network instanceof PromptedUnet && {
      text: { encoder: network.text, config: text!, files: tokenizerFiles(captions!) },
    }),
  });
}

function schedulerOf({ parameterisation, levels, latents, captions }: Denoiser): JsonObject {
  const prediction = predictions[parameterisation.name];
  if (!levels.schedule || prediction === undefined || parameterisation.variance !== undefined)
    throw new Error(`diffusers' DDIMScheduler knows no ${parameterisation.name} at such levels`);
  return {
    ...{ _class_name: 'DDIMScheduler', num_train_timesteps: levels.schedule.timesteps },
    ...{ trained_betas: [...levels.schedule.betas], prediction_type: prediction },
    ...{ clip_sample: !latents, set_alpha_to_one: false, steps_offset: captions ? 1 : 0 },
  };
}

/** CLIP's special tokens, by the names that transformers has for them. */
const special = {
  ...{ bos_token: '<|startoftext|>', eos_token: '<|endoftext|>', unk_token: '<|endoftext|>' },
  tokenizer_class: 'CLIPTokenizer',
};

function tokenizerFiles({ length, tokenizer }: CaptionMeaning) {
  const { pad_token = special.eos_token } = (tokenizer.padding ?? {}) as { pad_token?: string };
  return { tokenizer, config: { ...special, pad_token, model_max_length: length } };
}
