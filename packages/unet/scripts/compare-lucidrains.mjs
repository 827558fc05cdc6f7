// Runs denoising-diffusion-pytorch's own U-Net beside ours, on the same weights and images: what comes out, and all
// gradients. Python needs it, safetensors and PyTorch: pip install denoising-diffusion-pytorch safetensors
//   node packages/unet/scripts/compare-lucidrains.mjs [--python python3]
import { readSafetensors } from '@ddpm/safetensors';
import * as tf from '@tensorflow/tfjs';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { compareWithGolden } from '../test/lucidrains.mjs';
import * as lucidrains from '../dist/lucidrains.js';

const { values } = parseArgs({ options: { python: { type: 'string', default: 'python3' } } });
const tolerance = 1e-5;
/** By what is tried: options of Unet, an image's channels, height and width, and t. */
const cases = {
  'as it is, three levels': [{ dim: 16, dim_mults: [1, 2, 4], channels: 3, flash_attn: true }, [3, 16, 16]],
  'full attention everywhere': [{ dim: 16, dim_mults: [1, 2], channels: 1, full_attn: [true, true] }, [1, 14, 14]],
  'none full but the middle': [{ dim: 16, dim_mults: [1, 2], channels: 1, full_attn: [false, false] }, [1, 12, 8]],
  // Of a large t, sine and cosine lose digits in float32.
  'learned frequencies': [
    { dim: 18, dim_mults: [1, 2], channels: 3, learned_sinusoidal_cond: true },
    [3, 8, 8],
    [1, 5],
  ],
  'learned variance, another first width': [
    { dim: 16, init_dim: 12, dim_mults: [1, 3], channels: 3, learned_variance: true },
    [3, 8, 8],
  ],
  'heads of each level, another theta': [
    {
      dim: 16,
      dim_mults: [1, 2],
      channels: 1,
      attn_heads: [1, 3],
      attn_dim_head: [5, 8],
      sinusoidal_pos_emb_theta: 500,
    },
    [1, 8, 8],
  ],
};

tf.enableProdMode();
await tf.setBackend('cpu');
const folder = mkdtempSync(join(tmpdir(), 'ddpm-lucidrains-'));
let worst = 0;
try {
  console.log('| U-Net | output | gradients |\n| --- | --- | --- |');
  for (const [name, [options, image, t]] of Object.entries(cases)) {
    const [given, result] = ['case.json', 'result.safetensors'].map((file) => join(folder, file));
    writeFileSync(given, JSON.stringify({ options, image, t }));
    const script = fileURLToPath(new URL('compare_lucidrains.py', import.meta.url));
    execFileSync(values.python, [script, given, result], { stdio: ['ignore', 'inherit', 'inherit'] });
    const { output, gradients } = compareWithGolden(lucidrains, options, readSafetensors(readFileSync(result)).tensors);
    console.log(`| ${name} | ${output.toExponential(1)} | ${gradients.toExponential(1)} |`);
    worst = Math.max(worst, output, gradients);
  }
} finally {
  rmSync(folder, { recursive: true });
}
if (!(worst <= tolerance)) throw new Error(`compare-lucidrains: ${worst} is more than ${tolerance}`);
