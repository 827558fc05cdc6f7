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
const folders = positionals.length > 0 ? positionals : [test('ddpm'), test('legacy-names')];

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

await tf.setBackend('cpu');
const steps = 4;
for (const folder of folders) {
  const pipeline = await loadPipeline(folder);
  const { unet, image, config } = pipeline;
  // DDIM draws no noise that would have to be the same.
  const scheduler = { ...pipeline.scheduler, _class_name: 'DDIMScheduler' };
  const saved = mkdtempSync(join(tmpdir(), 'ddpm-saved-'));
  await savePipeline(saved, { unet, config, scheduler });
  const x = tf.tensor4d(new Random(3).normals(2 * tf.util.sizeFromShape(image)), [2, ...image]);
  const label = unet.conditions.length > 0 ? [1, 2] : null;
  const condition = label ? { label: tf.tensor1d(label, 'int32') } : undefined;
  const y = unet.apply(x, tf.tensor1d([123.5, 123.5]), condition);
  const { sampler, denoise } = schedulerFromConfig(scheduler, { steps });
  const alike = y.shape.join() === x.shape.join();
  const x0 = alike ? await sample(denoise(unet, { condition }), x, { sampler, rng: new Random(0) }) : x;

  const { stdout, stderr, status } = spawnSync(values.python, ['-c', python], {
    input: JSON.stringify({ folder: saved, x: x.arraySync(), t: 123.5, label, steps }),
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  rmSync(saved, { recursive: true });
  if (status !== 0) throw new Error(stderr);
  const theirs = JSON.parse(stdout.trim().split('\n').at(-1));
  const difference = (ours, expected) => {
    const data = ours.dataSync();
    return Math.max(...expected.map((value, i) => Math.abs(value - data[i]))) / Math.max(...expected.map(Math.abs));
  };
  const differences = [difference(y, theirs.y), ...(alike ? [difference(x0, theirs.x)] : [])];
  const [network, chain = 'not drawn, it says a variance'] = differences.map((one) => one.toExponential(1));
  console.log(`${folder}: opens as ${theirs.class}; U-Net ${network}, ${steps} steps ${chain}`);
  if (differences.some((one) => !(one < 1e-4))) process.exitCode = 1;
}
