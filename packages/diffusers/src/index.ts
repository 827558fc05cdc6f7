import type { Unet2dConfig } from '@ddpm/adm';
import { Unet2d } from '@ddpm/adm';

export { schedulerFromConfig, trainingFromConfig } from './schedulers';
export type { Scheduler, SchedulerRequest } from './schedulers';
export { isPipelineFolder, readPipelineFolder } from './pipelines/files';
export type { PipelineFiles } from './pipelines/files';
export { imageOf, loadPipeline } from './pipelines/pipeline';
export type { Pipeline, PipelineSampleOptions } from './pipelines/pipeline';
export { savePipeline } from './pipelines/save';

/**
 * A network package's default export makes its network from options: here a `UNet2DModel`, by its `config.json`. The
 * trainer gives the images' `channels`, and the `seed` that new weights are a function of.
 */
export default function createNetwork({
  config,
  channels = 3,
  seed,
}: {
  readonly config: Unet2dConfig;
  readonly channels?: number;
  readonly seed?: number;
}): Unet2d {
  return new Unet2d({ in_channels: channels, out_channels: channels, ...config }, { seed });
}
