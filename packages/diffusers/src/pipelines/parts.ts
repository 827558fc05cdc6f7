import type { Unet2d, Unet2dCondition } from '@ddpm/adm';
import type { JsonObject } from '@ddpm/checkpoint';
import type { PipelineLatents } from './latents';
import type { PipelineText } from './text';

/** The parts of a pipeline that draw. */
export interface PipelineParts {
  /**
   * A network, with `apply(x, t, condition)`: x [n, h, w, c], diffusers' timestep [n] float32, and its conditions: `label`,
   * classes [n] int32, or `context`, what it reads of words.
   */
  readonly unet: Unet2d | Unet2dCondition;
  /** Its `config.json`. */
  readonly config: JsonObject;
  /** The `scheduler_config.json`; where the folder has none, that of Ho et al. 2020, `DDPMScheduler` with its defaults. */
  readonly scheduler: JsonObject;
  /** The shape of its images, where the config says their size. */
  readonly image?: readonly [h: number, w: number, c: number];
  /** Where the U-Net works on latents: what makes images of them. */
  readonly latents?: PipelineLatents;
  /** Where the U-Net reads words: what makes of them what it reads. */
  readonly text?: PipelineText;
}
