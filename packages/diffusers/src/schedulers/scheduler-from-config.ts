import type { SchedulerClass, SchedulerConfig } from './config';
import { readSchedulerConfig } from './config';
import { ddim, ddimInverse } from './ddim';
import { ddpm } from './ddpm';
import { deis } from './deis';
import { dpmSolverMultistep, dpmSolverSinglestep, edmDpmSolverMultistep } from './dpm-solver';
import { edmEuler } from './edm';
import { flowMatchEuler, flowMatchHeun } from './flow-match';
import { euler, eulerAncestral, heun, kdpm2, kdpm2Ancestral } from './k-diffusion';
import { lcm } from './lcm';
import { pndm } from './pndm';
import type { Scheduler } from './scheduler';
import { uniPc } from './unipc';

/** How to sample; `steps` is needed. */
export interface SchedulerRequest {
  /** diffusers' `num_inference_steps`; some schedulers ask the network more often, or less. */
  readonly steps: number;
  /** `DDIMScheduler`'s η: how much of the ancestral sampler's noise to draw, from 0 to 1; 0 by default. */
  readonly eta?: number;
}

const schedulers: Readonly<Record<SchedulerClass, (config: SchedulerConfig, steps: number, eta: number) => Scheduler>> =
  {
    DDPMScheduler: ddpm,
    DDIMScheduler: ddim,
    DDIMInverseScheduler: ddimInverse,
    PNDMScheduler: pndm,
    DPMSolverMultistepScheduler: dpmSolverMultistep,
    DPMSolverSinglestepScheduler: dpmSolverSinglestep,
    UniPCMultistepScheduler: uniPc,
    DEISMultistepScheduler: deis,
    HeunDiscreteScheduler: heun,
    EulerDiscreteScheduler: euler,
    EulerAncestralDiscreteScheduler: eulerAncestral,
    KDPM2DiscreteScheduler: kdpm2,
    KDPM2AncestralDiscreteScheduler: kdpm2Ancestral,
    EDMEulerScheduler: edmEuler,
    EDMDPMSolverMultistepScheduler: edmDpmSolverMultistep,
    LCMScheduler: lcm,
    FlowMatchEulerDiscreteScheduler: flowMatchEuler,
    FlowMatchHeunDiscreteScheduler: flowMatchHeun,
  };

/**
 * The scheduler that a `scheduler_config.json` of diffusers describes, with that class's own defaults for what is
 * missing. `sample(denoise(network), noise·initialScale, { sampler, rng })` is diffusers' trajectory, in the scale of
 * its own x.
 * @param config with `_class_name`
 * @throws RangeError if the class, an option or its value is not carried: it names it, and nothing is left out silently
 */
export function schedulerFromConfig(
  config: Readonly<Record<string, unknown>>,
  { steps, eta = 0 }: SchedulerRequest,
): Scheduler {
  const read = readSchedulerConfig(config);
  if (eta !== 0 && read.className !== 'DDIMScheduler')
    throw new RangeError(`schedulerFromConfig: only DDIMScheduler takes an eta, got ${eta} for ${read.className}`);
  return schedulers[read.className](read, steps, eta);
}
