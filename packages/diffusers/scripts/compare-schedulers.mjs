// Runs Python's diffusers beside schedulerFromConfig over some thousand configurations, and prints how far each
// trajectory is from the other's, and what either refuses:
//
//   node scripts/compare-schedulers.mjs --python venv/bin/python [--only EulerDiscrete] [--all]
//
// with a virtual environment that has `diffusers`, `torch` and `scipy`. Without --all it prints what differs alone.
// Of x at every step the greatest difference is taken, as a part of the greatest |x| there; above 1e-4 it fails. But where
// diffusers itself comes out elsewhere by a fifth of that when the last digits of x and of the network's output change,
// as with σ of 20,000 in float32, there is nothing to compare to that accuracy: those count as its `rounding`. So do the
// coefficients of DEIS, of which float32 leaves little in order 3 with short steps: by float64 σ it is 7e-7 from ours.
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { sample } from '@ddpm/diffusion';
import * as tf from '@tensorflow/tfjs';
import { schedulerFromConfig } from '../dist/index.js';

const { values: options } = parseArgs({
  options: { python: { type: 'string', default: 'python3' }, only: { type: 'string' }, all: { type: 'boolean' } },
});

const python = `
import json, sys, warnings, logging
warnings.filterwarnings('ignore')
import diffusers, torch
from diffusers import schedulers
from diffusers.utils import torch_utils
import importlib
diffusers.utils.logging.set_verbosity_error()
torch.set_num_threads(1)
data = json.load(sys.stdin)
noise = torch.tensor(data['noise']).reshape(-1, 2, 3, 4, 1)
def run(case, rounding=0):
    config = dict(case['config'])
    cls = getattr(diffusers, config.pop('_class_name'))
    s = cls.from_config(config)
    s.set_timesteps(case['steps'])
    if rounding and cls is diffusers.DEISMultistepScheduler:
        s.sigmas = s.sigmas.double()
    draws = [0]
    def fresh(*_, **__):
        draws[0] += 1
        return noise[draws[0]]
    sys.modules[cls.__module__].randn_tensor = fresh
    learned = config.get('variance_type') in ('learned', 'learned_range')
    x = noise[0] * s.init_noise_sigma if hasattr(s, 'init_noise_sigma') else noise[0]
    xs = [x]
    for t in s.timesteps:
        given = s.scale_model_input(x, t) if hasattr(s, 'scale_model_input') else x
        out = 0.6 * given + 0.3 * torch.sin(2 * given + t / 250)
        out = out * (1 + rounding * torch.sign(noise[60 + draws[0] % 20]))
        if learned:
            spread = torch.sin(3 * given + t / 100)
            spread = 0.02 + 0.01 * spread if config['variance_type'] == 'learned' else spread
            out = torch.cat([out, spread], 1)
        x = x * (1 - rounding * torch.sign(noise[60 + (draws[0] + 7) % 20]))
        x = s.step(out, t, x, **case.get('step', {})).prev_sample
        xs.append(x)
    xs = torch.stack(xs).reshape(len(xs), -1)
    if not torch.isfinite(xs).all():
        raise ValueError('no number')
    return xs
for case in data['cases']:
    try:
        xs, near = run(case), run(case, 2 ** -23)
        result = {'xs': xs.tolist(), 'rounding': ((xs - near).abs().amax(1) / xs.abs().amax(1)).max().item()}
    except Exception as e:
        result = {'error': type(e).__name__ + ': ' + str(e).split(chr(10))[0][:90]}
    print(json.dumps(result))
`;

/** Every choice of one value for each key. */
const product = (choices) =>
  Object.entries(choices).reduce(
    (all, [key, values]) => all.flatMap((chosen) => values.map((value) => ({ ...chosen, [key]: value }))),
    [{}],
  );
const steps = [3, 5, 10, 17, 20, 50];
const spacing = [{}, ...['linspace', 'leading', 'trailing'].map((timestep_spacing) => ({ timestep_spacing }))];
const offset = [{}, { steps_offset: 1 }];
const noisy = [
  {},
  { beta_schedule: 'scaled_linear', beta_start: 0.00085, beta_end: 0.012 },
  { beta_schedule: 'squaredcos_cap_v2' },
  { trained_betas: Array.from({ length: 1000 }, (_, t) => 0.0002 + 0.015 * (t / 999) ** 1.5) },
  { num_train_timesteps: 200, beta_end: 0.08 },
];
const types = [{}, { prediction_type: 'sample' }, { prediction_type: 'v_prediction' }];
const zero = [{}, { rescale_betas_zero_snr: true, prediction_type: 'v_prediction', timestep_spacing: 'trailing' }];
const limits = [
  {},
  { clip_sample: false },
  { clip_sample_range: 0.7 },
  { thresholding: true, sample_max_value: 1.6, dynamic_thresholding_ratio: 0.8, clip_sample: false },
];
const named = [{}, { use_karras_sigmas: true }, { use_exponential_sigmas: true }, { use_beta_sigmas: true }];
const ends = [{}, { sigma_min: 0.1, sigma_max: 30 }];
const finals = [{}, { final_sigmas_type: 'sigma_min' }];
const flow = [
  { use_flow_sigmas: true, prediction_type: 'flow_prediction' },
  { use_flow_sigmas: true, prediction_type: 'flow_prediction', flow_shift: 3 },
];

/** Options of each class, of which one of each list is varied at a time, and pairs of lists. */
const classes = {
  DDPMScheduler: [
    spacing,
    offset,
    [...noisy, { beta_schedule: 'sigmoid' }, { beta_schedule: 'laplace' }],
    types,
    zero,
    limits,
    ['fixed_small_log', 'fixed_large', 'fixed_large_log', 'learned', 'learned_range'].map((variance_type) => ({
      variance_type,
    })),
  ],
  DDIMScheduler: [spacing, offset, noisy, types, zero, limits, [{}, { set_alpha_to_one: false }]],
  DDIMInverseScheduler: [spacing, offset, noisy, types, zero, limits, [{}, { set_alpha_to_one: false }]],
  PNDMScheduler: [
    [{ skip_prk_steps: true }, { skip_prk_steps: false }],
    spacing,
    offset,
    noisy,
    types,
    [{}, { set_alpha_to_one: true }],
  ],
  DPMSolverMultistepScheduler: [
    product({
      solver_order: [1, 2, 3],
      solver_type: ['midpoint', 'heun'],
      algorithm_type: ['dpmsolver++', 'sde-dpmsolver++', 'dpmsolver', 'sde-dpmsolver'],
    }).map((solver) => (solver.algorithm_type.endsWith('++') ? solver : { ...solver, final_sigmas_type: 'sigma_min' })),
    spacing,
    offset,
    noisy,
    [...types, ...flow],
    zero,
    limits,
    [...named, { use_lu_lambdas: true }],
    ends,
    finals,
    [{}, { lower_order_final: false }, { euler_at_final: true }, { lambda_min_clipped: -5.1 }],
  ],
  DPMSolverSinglestepScheduler: [
    product({
      solver_order: [1, 2, 3],
      solver_type: ['midpoint', 'heun'],
      algorithm_type: ['dpmsolver++', 'sde-dpmsolver++', 'dpmsolver'],
    }).map((solver) => (solver.algorithm_type.endsWith('++') ? solver : { ...solver, final_sigmas_type: 'sigma_min' })),
    noisy,
    [...types, ...flow],
    limits,
    named,
    ends,
    finals,
    [{}, { lower_order_final: true }, { lambda_min_clipped: -5.1 }],
  ],
  UniPCMultistepScheduler: [
    product({ solver_order: [1, 2, 3, 4], solver_type: ['bh2', 'bh1'], predict_x0: [true, false] }).map((solver) =>
      solver.predict_x0 && solver.solver_type === 'bh2' ? solver : { ...solver, final_sigmas_type: 'sigma_min' },
    ),
    spacing,
    offset,
    noisy,
    [...types, ...flow, { ...flow[0], shift_terminal: 0.1 }, { ...flow[0], use_karras_sigmas: true }],
    zero,
    limits,
    named,
    ends,
    finals,
    [{}, { lower_order_final: false }, { disable_corrector: [0, 1, 4] }],
  ],
  DEISMultistepScheduler: [
    [{}, { solver_order: 1 }, { solver_order: 3 }],
    spacing,
    offset,
    noisy,
    [...types, ...flow],
    limits,
    named,
    ends,
    [{}, { lower_order_final: false }, { algorithm_type: 'dpmsolver++', solver_type: 'midpoint' }],
  ],
  HeunDiscreteScheduler: [
    spacing,
    offset,
    [...noisy, { beta_schedule: 'exp' }],
    types,
    [{}, { clip_sample: true }, { clip_sample: true, clip_sample_range: 2 }],
    named,
    ends,
  ],
  EulerDiscreteScheduler: [
    spacing,
    offset,
    noisy,
    types,
    zero,
    named,
    ends,
    finals,
    [{}, { interpolation_type: 'log_linear' }, { timestep_type: 'continuous', prediction_type: 'v_prediction' }],
  ],
  EulerAncestralDiscreteScheduler: [spacing, offset, noisy, types, zero],
  KDPM2DiscreteScheduler: [spacing, offset, noisy, types, named, ends],
  KDPM2AncestralDiscreteScheduler: [spacing, offset, noisy, types, named, ends],
  LCMScheduler: [noisy, types, zero, limits, [{}, { original_inference_steps: 20, timestep_scaling: 3 }]],
  EDMEulerScheduler: [
    types,
    finals,
    [{}, { sigma_schedule: 'exponential' }, { rho: 5 }, { sigma_data: 1, sigma_min: 0.02, sigma_max: 20 }],
  ],
  EDMDPMSolverMultistepScheduler: [
    product({
      solver_order: [1, 2, 3],
      solver_type: ['midpoint', 'heun'],
      algorithm_type: ['dpmsolver++', 'sde-dpmsolver++'],
    }),
    types,
    finals,
    limits,
    [{}, { lower_order_final: false }, { euler_at_final: true }],
    [{}, { sigma_schedule: 'exponential' }, { rho: 5 }, { sigma_data: 1, sigma_min: 0.02, sigma_max: 20 }],
  ],
  FlowMatchEulerDiscreteScheduler: [
    [{}, { shift: 3 }, { shift_terminal: 0.1 }, { invert_sigmas: true }, { use_dynamic_shifting: true }],
    [{}, { stochastic_sampling: true }],
    named,
    [{}, { num_train_timesteps: 400 }],
  ],
  FlowMatchHeunDiscreteScheduler: [
    [{}, { shift: 3 }],
    [{}, { num_train_timesteps: 400 }],
  ],
};

const cases = [];
for (const [_class_name, lists] of Object.entries(classes)) {
  if (options.only && !_class_name.includes(options.only)) continue;
  const seen = new Set();
  const add = (config) => {
    const key = JSON.stringify(config);
    if (seen.has(key)) return;
    seen.add(key);
    const count = seen.size;
    const clipped = _class_name.startsWith('DD') || _class_name === 'LCMScheduler' ? config : withoutClipping(config);
    const some = [steps[count % steps.length], steps[(count * 5 + 2) % steps.length]];
    for (const n of new Set(some)) cases.push({ config: { _class_name, ...clipped }, steps: n });
    if (_class_name === 'DDIMScheduler')
      cases.push({ config: { _class_name, ...config }, steps: some[0], step: { eta: [0.3, 0.5, 1][count % 3] } });
  };
  lists.forEach((list, i) =>
    list.forEach((one) => {
      add(one);
      lists.slice(i + 1).forEach((other) => other.forEach((two) => add({ ...two, ...one })));
    }),
  );
}
/** The limits that a class does not take would be left out of both. */
function withoutClipping({ ...config }) {
  if (config.thresholding) delete config.clip_sample;
  return config;
}

// Numbers from a linear congruential generator, made normal.
let state = 1;
const uniform = () => (state = (state * 48271) % 2147483647) / 2147483647;
const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
const noise = Array.from({ length: 80 * 24 }, () => Math.fround(normal()));

const { stdout, status, stderr } = spawnSync(options.python, ['-c', python], {
  input: JSON.stringify({ noise, cases }),
  maxBuffer: 2 ** 31,
  encoding: 'utf8',
});
if (status !== 0) throw new Error(stderr);
const theirs = stdout
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line));

await tf.setBackend('cpu');
const row = (index) => tf.tensor4d(noise.slice(index * 24, (index + 1) * 24), [2, 3, 4, 1]);
const output = (x, t) =>
  tf.add(tf.mul(x, 0.6), tf.mul(tf.sin(tf.add(tf.mul(x, 2), tf.div(tf.reshape(t, [-1, 1, 1, 1]), 250))), 0.3));

async function ours({ config, steps, step = {} }) {
  const { sampler, initialScale, denoise } = schedulerFromConfig(config, { steps, ...step });
  const learned = ['learned', 'learned_range'].includes(config.variance_type);
  const network = (x, t) =>
    tf.tidy(() => {
      if (!learned) return output(x, t);
      const spread = tf.sin(tf.add(tf.mul(x, 3), tf.div(tf.reshape(t, [-1, 1, 1, 1]), 100)));
      return tf.concat(
        [output(x, t), config.variance_type === 'learned' ? tf.add(tf.mul(spread, 0.01), 0.02) : spread],
        3,
      );
    });
  const xT = tf.mul(row(0), initialScale);
  const xs = [xT.dataSync()];
  let draws = 0;
  await sample(denoise(network), xT, {
    sampler,
    rng: { normals: () => row(++draws).dataSync() },
    onStep: ({ x }) => void xs.push(x.dataSync()),
  });
  return xs;
}

const shown = ({ config: { _class_name, trained_betas, ...config }, steps, step }) =>
  `${_class_name.replace('Scheduler', '')} ${steps} ${JSON.stringify({ ...config, ...(trained_betas && { trained_betas: '…' }), ...step })}`;
const counts = {};
let failed = 0;
for (const [i, asked] of cases.entries()) {
  const count = (counts[asked.config._class_name] ??= {
    alike: 0,
    greatest: 0,
    rounding: 0,
    'both refuse': 0,
    refused: 0,
    differ: 0,
    'ours alone': 0,
  });
  const { xs: expected, error: theirError, rounding } = theirs[i];
  let line;
  try {
    const xs = await ours(asked);
    if (theirError) {
      count['ours alone']++;
      line = `ours alone: diffusers: ${theirError}`;
    } else if (xs.length !== expected.length) {
      count.differ++;
      line = `${xs.length - 1} steps, diffusers ${expected.length - 1}`;
    } else {
      const difference = Math.max(
        ...xs.map((x, k) => {
          const scale = Math.max(...expected[k].map(Math.abs));
          return Math.max(...expected[k].map((value, j) => Math.abs(value - x[j]))) / scale;
        }),
      );
      if (rounding <= 2e-5) count.greatest = Math.max(count.greatest, difference);
      if (difference < 1e-4) count.alike++;
      else {
        count[rounding > 2e-5 ? 'rounding' : 'differ']++;
        line = `difference ${difference.toExponential(1)}, of rounding ${rounding.toExponential(1)}`;
      }
      if (options.all) line ??= `${difference.toExponential(1)}`;
    }
  } catch (error) {
    count[theirError ? 'both refuse' : 'refused']++;
    line = `${theirError ? 'both refuse' : 'refused'}: ${error.message}${theirError ? ` | diffusers: ${theirError}` : ''}`;
    if (theirError && !options.all) line = undefined;
  }
  if (line) console.log(`${shown(asked)}\n    ${line}`);
}
for (const count of Object.values(counts)) {
  failed += count.differ;
  count.greatest = count.greatest.toExponential(1);
}
console.table(counts);
process.exitCode = failed > 0 ? 1 : 0;
