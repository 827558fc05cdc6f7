// Saves pipelines, has Python's diffusers open them, and compares what their U-Nets compute and what they draw:
//
//   node scripts/check-saved.mjs --python venv/bin/python [FOLDER …]
//
// with a virtual environment that has `diffusers` and `torch`. FOLDERs are what diffusers saved; the tests' by default.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { sample } from '@ddpm/diffusion';
import { Random } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs';
import { loadPipeline, savePipeline, schedulerFromConfig } from '../dist/index.js';

const { values, positionals } = parseArgs({
  options: { python: { type: 'string', default: 'python3' } },
  allowPositionals: true,
});
const test = (name) => fileURLToPath(new URL(`../test/golden/${name}`, import.meta.url));
const all = ['ddpm', 'legacy-names', 'ldm', 'stable-diffusion'];
const folders = positionals.length > 0 ? positionals : all.map(test);

const python = `
import json, sys, torch
from diffusers import DiffusionPipeline
folder, x, t, label, steps = (lambda d: (d['folder'], torch.tensor(d['x']).permute(0, 3, 1, 2), torch.tensor(d['t']), d['label'], d['steps']))(json.load(sys.stdin))
pipeline = DiffusionPipeline.from_pretrained(folder)
labels = None if label is None else torch.tensor(label)
with torch.no_grad():
    call = lambda x, t: pipeline.unet(x, t, class_labels=labels).sample
    y = call(x, t)
    pipeline.scheduler.set_timesteps(steps)
    if y.shape == x.shape:
        for step in pipeline.scheduler.timesteps:
            x = pipeline.scheduler.step(call(x, step), step, x).prev_sample
back = lambda a: a.permute(0, 2, 3, 1).flatten().tolist()
print(json.dumps({'class': type(pipeline).__name__, 'y': back(y), 'x': back(x)}))
`;

/** Draws of the same noise, which DDIM alone needs. */
const draws = `
import json, sys, torch
from diffusers import DiffusionPipeline
asked = json.load(sys.stdin)
pipeline = DiffusionPipeline.from_pretrained(asked['folder'])
pipeline.set_progress_bar_config(disable=True)
latents = torch.tensor(asked['latents']).permute(0, 3, 1, 2)
if asked['prompt']:
    pipeline.check_inputs = lambda *_, **__: None
    h, w = asked['size']
    image = pipeline(asked['prompt'], latents=latents, height=h, width=w, num_inference_steps=asked['steps'], output_type='np').images
else:
    module = sys.modules[type(pipeline).__module__]
    module.randn_tensor = lambda *_, **__: latents
    image = pipeline(num_inference_steps=asked['steps'], output_type='np').images
print(json.dumps({'class': type(pipeline).__name__, 'image': torch.tensor(image).flatten().tolist()}))
`;

/** Python's answer to JSON. */
function ask(script, input) {
  const options = { input: JSON.stringify(input), encoding: 'utf8', maxBuffer: 2 ** 28 };
  const { stdout, stderr, status } = spawnSync(values.python, ['-c', script], options);
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout.trim().split('\n').at(-1));
}
const furthest = (ours, expected) =>
  Math.max(...expected.map((value, i) => Math.abs(value - ours[i]))) / Math.max(...expected.map(Math.abs));

await tf.setBackend('cpu');
const steps = 4;
for (const folder of folders) {
  const pipeline = await loadPipeline(folder);
  const saved = mkdtempSync(join(tmpdir(), 'ddpm-saved-'));
  try {
    const { name, differences } = await (pipeline.latents ? ofLatents : ofPixels)(pipeline, saved);
    const said = Object.entries(differences).map(
      ([what, one]) => `${what} ${one?.toExponential(1) ?? 'not drawn, it says a variance'}`,
    );
    console.log(`${folder}: opens as ${name}; ${said.join(', ')}`);
    if (Object.values(differences).some((one) => one !== undefined && !(one < 1e-4))) process.exitCode = 1;
  } finally {
    rmSync(saved, { recursive: true });
  }
}

/** The U-Net, and a chain. */
async function ofPixels(pipeline, saved) {
  const { unet, image, config } = pipeline;
  // DDIM draws no noise that would have to be the same.
  const scheduler = { ...pipeline.scheduler, _class_name: 'DDIMScheduler' };
  await savePipeline(saved, { unet, config, scheduler });
  const x = tf.tensor4d(new Random(3).normals(2 * tf.util.sizeFromShape(image)), [2, ...image]);
  const label = unet.conditions.length > 0 ? [1, 2] : null;
  const condition = label ? { label: tf.tensor1d(label, 'int32') } : undefined;
  const y = unet.apply(x, tf.tensor1d([123.5, 123.5]), condition);
  const { sampler, denoise } = schedulerFromConfig(scheduler, { steps });
  const alike = y.shape.join() === x.shape.join();
  const x0 = alike ? await sample(denoise(unet, { condition }), x, { sampler, rng: new Random(0) }) : x;
  const theirs = ask(python, { folder: saved, x: x.arraySync(), t: 123.5, label, steps });
  return {
    name: theirs.class,
    differences: {
      'U-Net': furthest(y.dataSync(), theirs.y),
      [`${steps} steps`]: alike ? furthest(x0.dataSync(), theirs.x) : undefined,
    },
  };
}

/** Images, of words where it takes some. */
async function ofLatents(pipeline, saved) {
  await savePipeline(saved, pipeline);
  const { factor, latentChannels } = pipeline.latents.autoencoder;
  const size = pipeline.image.slice(0, 2);
  const shape = [1, size[0] / factor, size[1] / factor, latentChannels];
  const latents = tf.tensor4d(new Random(3).normals(tf.util.sizeFromShape(shape)), shape);
  const prompt = pipeline.text ? 'red apple, blue cat' : undefined;
  const ours = await pipeline.sample({ latents, steps, ...(prompt && { prompt }) });
  const theirs = ask(draws, { folder: saved, latents: latents.arraySync(), steps, prompt: prompt ?? null, size });
  return {
    name: theirs.class,
    differences: {
      image: furthest(
        ours.map((value) => (value + 1) / 2),
        theirs.image,
      ),
    },
  };
}
