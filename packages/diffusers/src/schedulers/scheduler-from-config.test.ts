import { readFileSync } from 'node:fs';
import { sample } from '@ddpm/diffusion';
import { Random } from '@ddpm/random';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { schedulerFromConfig } from '../index';
import { readSchedulerConfig } from './config';
import { betaQuantile } from './numbers';

const from = (_class_name: string, options: Record<string, unknown> = {}, request = {}) =>
  schedulerFromConfig({ _class_name, ...options }, { steps: 10, ...request });

describe('what is not carried is refused by its name and value', () => {
  test.each<[string, Record<string, unknown>, string]>([
    ['LMSDiscreteScheduler', {}, 'got "LMSDiscreteScheduler"'],
    ['DDPMScheduler', { clip_samples: true }, 'no scheduler takes clip_samples, got true'],
    ['DDPMScheduler', { predict_epsilon: false }, 'no scheduler takes predict_epsilon, got false'],
    ['DDPMScheduler', { beta_start: '0.1' }, `DDPMScheduler's beta_start must be a number, got "0.1"`],
    ['DDPMScheduler', { variance_type: 'fixed_large_log' }, 'variance_type "fixed_large_log" is not carried'],
    ['DDPMScheduler', { trained_betas: [0.1, 0.2] }, 'should be num_train_timesteps = 1000 numbers, got 2'],
    ['DDPMScheduler', { beta_schedule: 'exp' }, 'beta_schedule "exp" is not carried, but "linear"'],
    ['DDIMScheduler', { beta_schedule: 'sigmoid' }, 'beta_schedule "sigmoid" is not carried, but "linear"'],
    ['DDIMScheduler', { beta_end: 1.5 }, 'β must lie between 0 and 1'],
    ['DDIMScheduler', { timestep_spacing: 'even' }, 'timestep_spacing "even" is not carried'],
    ['DDIMScheduler', { steps_offset: 200 }, 'these options ask for timestep 1000 of 1000'],
    ['DDIMInverseScheduler', { timestep_spacing: 'linspace' }, 'timestep_spacing "linspace" is not carried'],
    ['PNDMScheduler', { prediction_type: 'sample' }, 'prediction_type "sample" is not carried'],
    ['EulerAncestralDiscreteScheduler', { prediction_type: 'sample' }, 'prediction_type "sample" is not carried'],
    ['EulerDiscreteScheduler', { use_karras_sigmas: true, use_beta_sigmas: true }, 'got several'],
    ['DPMSolverMultistepScheduler', { solver_order: 4 }, 'solver_order 4 is not carried, but 1, 2, 3'],
    ['DPMSolverMultistepScheduler', { algorithm_type: 'dpmsolver' }, `final_sigmas_type "zero" is not carried`],
    ['DPMSolverMultistepScheduler', { use_flow_sigmas: true, use_dynamic_shifting: true }, 'use_dynamic_shifting true'],
    [
      'DEISMultistepScheduler',
      { solver_order: 3, use_beta_sigmas: true },
      'solver_order 3 is not carried, but 1 and 2',
    ],
    ['UniPCMultistepScheduler', { solver_type: 'bh1' }, 'solver_type "bh1" is not carried'],
    ['UniPCMultistepScheduler', { solver_p: {} }, `solver_p must be null, got {}`],
    ['UniPCMultistepScheduler', { lower_order_final: false }, `step 10 of 10 is no number, in diffusers too`],
    ['FlowMatchEulerDiscreteScheduler', { invert_sigmas: true }, 'invert_sigmas true is not carried, but false'],
  ])('%s with %j', (name, options, message) => {
    expect(() => from(name, options)).toThrow(message);
  });

  test('steps and eta', () => {
    expect(() => from('DDPMScheduler', {}, { steps: 1001 })).toThrow('must be a whole number from 1 to 1000, got 1001');
    expect(() => from('DDIMScheduler', {}, { eta: 2 })).toThrow('eta must be from 0 to 1, got 2');
    expect(() => from('DDPMScheduler', {}, { eta: 1 })).toThrow('only DDIMScheduler takes an eta, got 1');
    expect(() => from('PNDMScheduler', {}, { steps: 3 })).toThrow('takes at least 4 steps, got 3');
  });
});

test('what another class takes, and what only diffusers notes, is left, as diffusers leaves it', () => {
  // Stable Diffusion 1.5's.
  const config = readSchedulerConfig({
    _class_name: 'PNDMScheduler',
    _diffusers_version: '0.6.0',
    beta_end: 0.012,
    beta_schedule: 'scaled_linear',
    beta_start: 0.00085,
    clip_sample: false,
    num_train_timesteps: 1000,
    set_alpha_to_one: false,
    skip_prk_steps: true,
    steps_offset: 1,
    trained_betas: null,
  });
  expect(config).not.toHaveProperty('clip_sample');
  expect(config.timestep_spacing).toBe('leading');
});

test('each class has diffusers’ own defaults', () => {
  // inspect.signature of each class's __init__, diffusers 0.42.1.
  const theirs = JSON.parse(readFileSync('test/scheduler-defaults.json', 'utf8')) as Record<string, object>;
  for (const [name, defaults] of Object.entries(theirs)) {
    const { className, ...ours } = readSchedulerConfig({ _class_name: name });
    expect(className).toBe(name);
    // sigma_min and sigma_max are read from files wherever σ is spaced.
    const fromFiles = { sigma_min: null, sigma_max: null, lambda_min_clipped: -Infinity };
    expect({ ...fromFiles, ...ours }).toEqual({ ...fromFiles, ...defaults });
  }
});

test('a learned variance is half of what the network says', async () => {
  const { sampler, denoise } = from('DDPMScheduler', { variance_type: 'learned_range' }, { steps: 4 });
  const fixed = from('DDPMScheduler', { variance_type: 'fixed_small' }, { steps: 4 });
  const xT = tf.ones<tf.Rank.R4>([1, 2, 2, 1]);
  const run = ({ sampler, denoise }: Pick<typeof fixed, 'sampler' | 'denoise'>, channels: number[]) =>
    sample(
      denoise((x) =>
        tf.concat<tf.Tensor4D>(
          channels.map((value) => tf.fill<tf.Rank.R4>(x.shape, value)),
          3,
        ),
      ),
      xT,
      {
        sampler,
        rng: new Random(1),
      },
    );
  // −1 is β̃, which fixed_small is.
  const [learned, least] = await Promise.all([run({ sampler, denoise }, [0.1, -1]), run(fixed, [0.1])]);
  learned.dataSync().forEach((value, i) => expect(value).toBeCloseTo(least.dataSync()[i], 5));
  await expect(run({ sampler, denoise }, [0.1])).rejects.toThrow(
    `the network's output should be [1, 2, 2, 2], the variance included, not [1, 2, 2, 1]`,
  );
});

test('the beta distribution’s quantiles are SciPy’s', () => {
  // scipy.stats.beta.ppf(p, 0.6, 0.6), SciPy 1.17.1.
  const theirs = { 0.01: 0.0008612388215429059, 0.25: 0.17568037865269498, 0.5: 0.5, 0.9: 0.9604155944112192 };
  for (const [p, x] of Object.entries(theirs)) expect(betaQuantile(Number(p), 0.6)).toBeCloseTo(x, 10);
  expect([betaQuantile(0, 0.6), betaQuantile(1, 0.6)]).toEqual([0, 1]);
});
