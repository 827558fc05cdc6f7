// Runs the authors' own networks in PyTorch beside ours, over many configurations, and prints how far they are apart:
// node exchange-originals.mjs --guided FOLDER --improved FOLDER [--python python3] [--only WORDS]
// where the folders hold clones of openai/guided-diffusion and openai/improved-diffusion, and Python has torch and
// diffusers.
import {
  admFromGuidedDiffusion,
  classifierFromGuidedDiffusion,
  guidedDiffusionNames,
  unet2dFromConfig,
  unet2dNames,
} from '@ddpm/adm';
import { compile } from '@ddpm/compile';
import { disposeParameters } from '@ddpm/layers';
import * as tf from '@tensorflow/tfjs';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { compare, inputsOf, difference, torchLayout, weightsOf } from '../packages/adm/test/originals.mjs';

const { values: given } = parseArgs({
  options: {
    python: { type: 'string', default: process.env.BENCH_PYTHON ?? 'python3' },
    guided: { type: 'string' },
    improved: { type: 'string' },
    only: { type: 'string', default: '' },
  },
});
/** Of outputs and the images' gradient, and of the parameters' gradients, some of which are small sums of large numbers. */
const tolerances = [1e-5, 1e-4];

const common = {
  in_channels: 3,
  model_channels: 16,
  out_channels: 3,
  num_res_blocks: 1,
  attention_resolutions: [2],
  channel_mult: [1, 2],
  groups: 8,
};
const guided = (options, more) => ({
  of: 'guided/UNetModel',
  options: { image_size: 8, ...common, ...options },
  size: 8,
  ...more,
});
const improved = (options, more) => ({
  of: 'improved/UNetModel',
  options: { ...common, ...options },
  size: 8,
  ...more,
});
const classifier = (options) => ({
  of: 'guided/EncoderUNetModel',
  options: { image_size: 8, ...common, out_channels: 7, ...options },
  size: 8,
});
const diffusers = (options, more) => ({
  of: 'diffusers',
  options: {
    in_channels: 3,
    out_channels: 3,
    block_out_channels: [16, 32],
    layers_per_block: 1,
    norm_num_groups: 8,
    down_block_types: ['DownBlock2D', 'AttnDownBlock2D'],
    up_block_types: ['AttnUpBlock2D', 'UpBlock2D'],
    ...options,
  },
  size: 8,
  ...more,
});

const cases = {};
for (const use_new_attention_order of [false, true])
  for (const use_scale_shift_norm of [false, true])
    for (const resblock_updown of [false, true]) {
      const words = [
        use_new_attention_order ? 'new order' : 'legacy order',
        use_scale_shift_norm ? 'scale-shift' : 'added',
        resblock_updown ? 'residual resampling' : 'convolutions',
      ];
      const options = { use_new_attention_order, use_scale_shift_norm, resblock_updown, num_heads: 4 };
      cases[`guided: ${words.join(', ')}`] = guided(options);
    }
Object.assign(cases, {
  'guided: without convolutions to resample': guided({ conv_resample: false, num_head_channels: 8 }),
  'guided: heads by channels, classes': guided({ num_head_channels: 8, num_classes: 10 }, { label: [9, 0] }),
  'guided: other heads on the way up': guided({ num_heads: 2, num_heads_upsample: 8, attention_resolutions: [1, 2] }),
  'guided: three levels, three blocks, learned variance': guided(
    { channel_mult: [1, 1, 2], num_res_blocks: 3, out_channels: 6, attention_resolutions: [2, 4], num_heads: 2 },
    { batch: 1 },
  ),
  'guided: widths that fall, and fractions': guided({ channel_mult: [2, 1.5, 1], attention_resolutions: [4] }),
  'guided: ADM for 64×64, narrow, 32 groups': guided({
    model_channels: 32,
    groups: 32,
    channel_mult: [1, 2, 3],
    attention_resolutions: [2, 4],
    num_head_channels: 32,
    use_scale_shift_norm: true,
    resblock_updown: true,
    use_new_attention_order: true,
    out_channels: 6,
  }),
  'improved: CIFAR-10, narrow': improved({
    attention_resolutions: [1, 2],
    num_heads: 4,
    use_scale_shift_norm: true,
    out_channels: 6,
    num_res_blocks: 2,
  }),
  'improved: classes, added': improved({ num_classes: 4 }, { label: [3, 1] }),
  'classifier: adaptive': classifier({ pool: 'adaptive', num_heads: 2 }),
  'classifier: attention': classifier({ pool: 'attention', num_head_channels: 16, use_scale_shift_norm: true }),
  'classifier: attention, residual resampling': classifier({
    pool: 'attention',
    num_head_channels: 8,
    resblock_updown: true,
    channel_mult: [1, 2, 2],
  }),
  'classifier: spatial': classifier({ pool: 'spatial', use_new_attention_order: true, num_heads: 4 }),
  'classifier: spatial_v2': classifier({ pool: 'spatial_v2' }),
});
for (const act_fn of ['silu', 'gelu', 'relu', 'mish']) cases[`diffusers: ${act_fn}`] = diffusers({ act_fn });
Object.assign(cases, {
  'diffusers: as google/ddpm-cifar10-32, narrow': diffusers(
    {
      block_out_channels: [8, 16, 16, 16],
      layers_per_block: 2,
      attention_head_dim: null,
      freq_shift: 1,
      flip_sin_to_cos: false,
      downsample_padding: 0,
      norm_eps: 1e-6,
      down_block_types: ['DownBlock2D', 'AttnDownBlock2D', 'DownBlock2D', 'DownBlock2D'],
      up_block_types: ['UpBlock2D', 'UpBlock2D', 'AttnUpBlock2D', 'UpBlock2D'],
    },
    // Of 1×1 pixels, norms with so small an ε have gradients of rounding alone.
    { size: 16 },
  ),
  'diffusers: scale-shift, residual resampling, classes': diffusers(
    {
      resnet_time_scale_shift: 'scale_shift',
      downsample_type: 'resnet',
      upsample_type: 'resnet',
      num_class_embeds: 5,
      down_block_types: ['AttnDownBlock2D', 'ResnetDownsampleBlock2D'],
      up_block_types: ['ResnetUpsampleBlock2D', 'AttnUpBlock2D'],
    },
    { label: [4, 0] },
  ),
  'diffusers: Fourier': diffusers({ time_embedding_type: 'fourier', mid_block_scale_factor: 1.4 }),
  'diffusers: learned times': diffusers({ time_embedding_type: 'learned', num_train_timesteps: 1000 }),
  'diffusers: a time as class': diffusers({ class_embed_type: 'timestep', attention_head_dim: 3 }, { label: [7, 300] }),
  'diffusers: given class embeddings': diffusers(
    { class_embed_type: 'identity', mid_block_type: null, time_embedding_dim: 24 },
    { label: 'embedding', embDim: 24 },
  ),
  'diffusers: no attention in the middle, centred': diffusers({ add_attention: false, center_input_sample: true }),
});

tf.enableProdMode();
await tf.setBackend('cpu');
const chosen = Object.fromEntries(Object.entries(cases).filter(([name]) => name.includes(given.only)));
const folder = mkdtempSync(join(tmpdir(), 'ddpm-originals-'));
let originals;
try {
  const [asked, answered] = ['cases.json', 'results.json'].map((name) => join(folder, name));
  writeFileSync(asked, JSON.stringify(chosen));
  const script = fileURLToPath(new URL('../packages/adm/test/originals.py', import.meta.url));
  const clones = ['guided', 'improved'].flatMap((name) => (given[name] ? [`--${name}`, given[name]] : []));
  execFileSync(given.python, [script, asked, answered, ...clones], { stdio: ['ignore', 'inherit', 'ignore'] });
  originals = JSON.parse(readFileSync(answered, 'utf8'));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function ours({ of, options }, weights) {
  if (of === 'diffusers') {
    const network = unet2dFromConfig(options, weights);
    return { network, names: unet2dNames(network) };
  }
  const network = (
    of.endsWith('UNetModel') && !of.includes('Encoder') ? admFromGuidedDiffusion : classifierFromGuidedDiffusion
  )(options, weights);
  return { network, names: guidedDiffusionNames(network) };
}

/** How far the compiled network's output is from the original's. */
async function compiledDifference(network, of, original) {
  const { x, t, condition } = inputsOf(of);
  const inputs = [x, t, ...Object.values(condition ?? {})];
  const run = await compile((image, steps, label) => network.apply(image, steps, label && { label }), inputs);
  const output = await run(...inputs);
  const apart = difference(torchLayout(output), original.output);
  tf.dispose([output, inputs]);
  await run.dispose();
  return apart;
}

const failed = [];
const text = (value) => value.toExponential(1);
console.log(
  '| network | parameters | output | output, compiled | gradient of x | gradients |\n|---|---|---|---|---|---|',
);
for (const [name, original] of Object.entries(originals)) {
  const { network, names } = ours(chosen[name], weightsOf(original));
  const { output, dx, gradients, worst, compared } = compare(network, names, chosen[name], original);
  const compiled = await compiledDifference(network, chosen[name], original);
  disposeParameters(network);
  if (!(Math.max(output, compiled, dx) < tolerances[0])) failed.push(name);
  if (!(gradients < tolerances[1])) failed.push(`${name} (${worst})`);
  console.log(`| ${name} | ${compared} | ${[output, compiled, dx, gradients].map(text).join(' | ')} |`);
}
if (failed.length > 0) {
  console.error(`differences over ${tolerances.join(' or, of gradients, ')}: ${failed.join('; ')}`);
  process.exit(1);
}
