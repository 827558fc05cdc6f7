// Times diffusers' UNet2DModel beside ours: node unet2d.mjs [--python python3] [--rounds 5]
// Python needs torch and diffusers.
import { toUnet2d, Unet2d, unet2dFromConfig } from '@ddpm/adm';
import { disposeParameters, parameterCount } from '@ddpm/layers';
import { readSafetensors, writeSafetensors } from '@ddpm/safetensors';
import * as tf from '@tensorflow/tfjs';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { comparing, megabytes, ratio, seconds } from './compare.mjs';

const { values: options } = parseArgs({
  options: {
    python: { type: 'string', default: process.env.BENCH_PYTHON ?? 'python3' },
    rounds: { type: 'string', default: '5' },
  },
});
const rounds = Number(options.rounds);

/** The configuration of google/ddpm-cifar10-32. */
const cifar10 = {
  sample_size: 32,
  in_channels: 3,
  out_channels: 3,
  block_out_channels: [128, 256, 256, 256],
  layers_per_block: 2,
  attention_head_dim: null,
  freq_shift: 1,
  flip_sin_to_cos: false,
  downsample_padding: 0,
  norm_eps: 1e-6,
  down_block_types: ['DownBlock2D', 'AttnDownBlock2D', 'DownBlock2D', 'DownBlock2D'],
  up_block_types: ['UpBlock2D', 'UpBlock2D', 'AttnUpBlock2D', 'UpBlock2D'],
};
/** The options of a small ADM at 14×14: patches of 2×2 pixels, attention at 7×7. */
const small = {
  sample_size: 14,
  in_channels: 4,
  out_channels: 4,
  block_out_channels: [64, 128],
  layers_per_block: 2,
  attention_head_dim: 32,
  norm_num_groups: 8,
  attn_norm_num_groups: 8,
  resnet_time_scale_shift: 'scale_shift',
  down_block_types: ['DownBlock2D', 'AttnDownBlock2D'],
  up_block_types: ['AttnUpBlock2D', 'UpBlock2D'],
};

console.log(
  `${cpus()[0].model}, ${availableParallelism()} processors; Node ${process.version}; ${rounds} rounds, medians`,
);

tf.enableProdMode();
await tf.setBackend('cpu');
const folder = mkdtempSync(join(tmpdir(), 'ddpm-unet2d-'));
try {
  const file = join(folder, 'weights.safetensors');
  const drawn = new Unet2d(cifar10);
  console.log(`${(parameterCount(drawn) / 1e6).toFixed(1)}M parameters`);
  writeFileSync(file, writeSafetensors(await toUnet2d(drawn)));
  disposeParameters(drawn);
  const start = performance.now();
  disposeParameters(unet2dFromConfig(cifar10, readSafetensors(readFileSync(file)).tensors));
  console.log(`loaded from safetensors in ${((performance.now() - start) / 1000).toFixed(2)} s`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

const compare = comparing(options.python, rounds);
console.log(
  '\n| what | ours | PyTorch | ratio | PyTorch, allocator tuned | ratio | memory, ours | PyTorch |\n|---|---|---|---|---|---|---|---|',
);
for (const [what, config, request] of [
  ['35.7M parameters: training step, batch 16', cifar10, { op: 'step', batch: 16, size: 32 }],
  ['sampling forward, 64 images', cifar10, { op: 'forward', batch: 64, size: 32 }],
  ['4M parameters at 14×14: training step, batch 64', small, { op: 'step', batch: 64, size: 14 }],
  ['sampling forward, 64 images', small, { op: 'forward', batch: 64, size: 14 }],
]) {
  const { ours, torch, tuned } = await compare({ op: 'build', config }, request);
  const cells = [
    seconds(ours),
    seconds(torch),
    ratio(torch),
    seconds(tuned),
    ratio(tuned),
    megabytes(ours),
    megabytes(torch),
  ];
  console.log(`| ${what} | ${cells.join(' | ')} |`);
}
process.exit(0);
