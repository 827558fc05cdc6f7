// Runs diffusers and transformers beside ours on random small pipelines, and prints how far apart they are:
//
//   node scripts/compare-pipelines.mjs --python PYTHON [--count 12] [--seed 0] [--only LDMPipeline/DDIMScheduler]
//
// where PYTHON has torch, diffusers and transformers (PYTHONPATH is passed on). compare_pipelines.py draws the
// configurations: sizes, depths, heads, schedulers, prompts, guidance, images' sizes. Each part (text encoder, U-Net,
// autoencoder) and the image are compared; the greatest difference is relative to the greatest value. Beside the image's stands how far
// diffusers' own is from what it gives in float64, and ours: a chain may enlarge what float32 rounds. --only takes those of a
// pipeline, of a scheduler, or of both.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadPipeline } from '@ddpm/diffusers';
import { prepareExecution } from '@ddpm/execution';
import { readSafetensors } from '@ddpm/safetensors';
import * as tf from '@tensorflow/tfjs';

const { values } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    count: { type: 'string', default: '12' },
    seed: { type: 'string', default: '0' },
    only: { type: 'string', default: '' },
  },
});

const folder = mkdtempSync(join(tmpdir(), 'compare-pipelines-'));
const script = fileURLToPath(new URL('compare_pipelines.py', import.meta.url));
const made = spawnSync(values.python, [script, folder, values.count, values.seed, values.only], { stdio: 'inherit' });
if (made.status !== 0) process.exit(1);

const execution = await prepareExecution('compiled');
let worst = 0;
try {
  for (const name of readdirSync(folder).sort((a, b) => Number(a) - Number(b))) await compare(join(folder, name), name);
  console.log(`The greatest of all differences: ${worst.toExponential(1)}`);
} finally {
  rmSync(folder, { recursive: true });
}

/** The greatest difference, relative to the greatest value. */
function furthest(ours, expected) {
  const far = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - ours[i])), 0);
  return far / expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

async function compare(path, name) {
  const { tensors } = readSafetensors(readFileSync(join(path, 'io.safetensors')));
  const asked = JSON.parse(readFileSync(join(path, 'asked.json'), 'utf8'));
  const theirs = (key) => tensors.get(key);
  /** Of channels first. */
  const images = (key) => tf.tidy(() => tf.transpose(tf.tensor(theirs(key).data, theirs(key).shape), [0, 2, 3, 1]));
  const line = [];
  const note = (what, ours, expected) => {
    const far = furthest(ours, expected);
    worst = Math.max(worst, ours.length === expected.length ? far : Infinity);
    line.push(`${what} ${ours.length === expected.length ? far.toExponential(1) : 'of another size'}`);
  };
  try {
    const pipeline = await loadPipeline(path, { execution });
    const x = images('latents');
    const t = tf.tensor1d([asked.t]);
    if (pipeline.text) {
      const embedded = await pipeline.text.embed(asked.prompt);
      note('text', await embedded.data(), theirs('embeddings').data);
      const context = tf.slice(embedded, [0, 0, 0], [1, -1, -1]);
      const one = tf.slice(x, [0, 0, 0, 0], [1, -1, -1, -1]);
      note('unet', await pipeline.unet.apply(one, t, { context }).data(), await images('unet').data());
    } else
      note(
        'unet',
        await pipeline.unet.apply(tf.slice(x, [0, 0, 0, 0], [1, -1, -1, -1]), t).data(),
        await images('unet').data(),
      );
    const picture = images('picture');
    note('encoder', await pipeline.latents.autoencoder.encode(picture).data(), await images('mean').data());
    note('decoder', await pipeline.latents.autoencoder.decode(images('mean')).data(), await images('decoded').data());
    const { prompt, negativePrompt, guidanceScale, steps, scheduler } = asked;
    const words = pipeline.text ? { prompt, negativePrompt, guidanceScale } : {};
    const drawn = await pipeline.sample({ ...words, steps, scheduler: scheduler ?? undefined, latents: x });
    const image = drawn.map((value) => (value + 1) / 2);
    note('image', image, theirs('image').data);
    const exact = theirs('exact').data;
    const [own, other] = [image, theirs('image').data].map((one) => furthest(one, exact).toExponential(1));
    line.push(`from float64: ours ${own}, diffusers ${other}`);
    await pipeline.dispose();
  } catch (error) {
    worst = Infinity;
    line.push(`refused: ${error.message}`);
  }
  console.log(`${name}: ${line.join(', ')} (${asked.description})`);
}
