import type { Unet2dConfig } from '@ddpm/adm';
import { Unet2d, Unet2dCondition } from '@ddpm/adm';
import type { ClipTextConfig } from '@ddpm/text';
import { ClipText } from '@ddpm/text';
import { PromptedUnet } from './pipelines/prompted-unet';

export { schedulerFromConfig, trainingFromConfig } from './schedulers';
export type { Scheduler, SchedulerRequest } from './schedulers';
export { isPipelineFolder, readPipelineFolder } from './pipelines/files';
export type { ModelFiles, PipelineFiles } from './pipelines/files';
export type { Weights } from './pipelines/weights';
export { imageOf, loadPipeline } from './pipelines/pipeline';
export type { LoadPipelineOptions, Pipeline } from './pipelines/pipeline';
export type { PipelineParts } from './pipelines/parts';
export type { PipelineSampleOptions } from './pipelines/draw';
export type { PipelineLatents } from './pipelines/latents';
export type { PipelineText } from './pipelines/text';
export type { Compiler } from './pipelines/runner';
export { PromptedUnet } from './pipelines/prompted-unet';
export { savePipeline } from './pipelines/save';
export type { SavedParts } from './pipelines/save';

/**
 * A network package's default export makes its network from options: here a `UNet2DModel`, by its `config.json`, or, with
 * the `text` config of a `CLIPTextModel`, a `UNet2DConditionModel` with what reads captions for it.
 * `ddpm-train --from FOLDER` names it so, and gives the images' `channels`, how many `classes` there are, the network's
 * `outChannels` where it is to say a variance too, and the `seed` that new weights are a function of.
 * @throws RangeError that names what of them the config does not go with
 */
export default function createNetwork({
  config,
  text,
  channels,
  outChannels = channels,
  classes,
  seed,
}: {
  readonly config: Unet2dConfig;
  readonly text?: ClipTextConfig;
  readonly channels?: number;
  readonly outChannels?: number;
  readonly classes?: number;
  readonly seed?: number;
}): Unet2d | PromptedUnet {
  const asked = {
    ...(channels !== undefined && { in_channels: channels }),
    ...(outChannels !== undefined && { out_channels: outChannels }),
  };
  for (const [name, value] of Object.entries(asked))
    if (config[name] !== undefined && config[name] !== value)
      throw new RangeError(`the config's ${name} is ${JSON.stringify(config[name])}, and it should be ${value} here`);
  if (text)
    return new PromptedUnet(new Unet2dCondition({ ...asked, ...config }, { seed }), new ClipText(text, { seed }));
  if (classes !== undefined && !(Number(config.num_class_embeds ?? 0) >= classes))
    throw new RangeError(
      `the config's num_class_embeds is ${JSON.stringify(config.num_class_embeds ?? null)}, and there are ${classes} classes`,
    );
  return new Unet2d({ ...asked, ...config }, { seed });
}
