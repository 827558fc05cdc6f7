// Emoji at 64×64 from words, learned in the latents of an autoencoder and as pixels, in the same time:
//
//   node latents.mjs [--minutes 60] [--autoencoder-minutes 20] [--data-dir FOLDER] [--images 1024] [--out FOLDER] [--dataset folder]
//
// FOLDER has the emoji's packages in its node_modules (packages/datasets/README.md), or, with --dataset folder, captioned
// pictures. The autoencoder is trained for
// --autoencoder-minutes, the denoiser of its latents for what is left of --minutes, that of pixels for --minutes: each for
// as many steps as that takes at the pace of its first ones. Prints steps, their time, the peak of memory, the time of 64
// images, and the Fréchet distance to the training images. What is in --out by name is not made again, so that it goes on.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    'autoencoder-minutes': { type: 'string', default: '20' },
    dataset: { type: 'string', default: 'emoji' },
    'data-dir': { type: 'string' },
    images: { type: 'string', default: '1024' },
    out: { type: 'string', default: 'latents' },
  },
});
const out = resolve(values.out);
mkdirSync(out, { recursive: true });
const [minutes, first] = [Number(values.minutes), Number(values['autoencoder-minutes'])];
if (!(first > 0 && minutes > first)) throw new Error('--minutes must be more than --autoencoder-minutes');

/** Steps by which a training's pace is measured, of which the first ones are left out. */
const [TRIED, WARM] = [20, 5];
const common = ['--dataset', values.dataset, '--image-size', '64', '--no-flip', '--validation', '0', '--quiet'];
if (values['data-dir']) common.push('--data-dir', resolve(values['data-dir']));
const words = ['--task', 'text-to-image', '--vocabulary', 'byte-pairs', '--caption-length', '24'];
/** Of both denoisers: the levels begin at squares of 16×16. */
const network = {
  modelChannels: 32,
  numResBlocks: 1,
  numHeads: 4,
  groups: 8,
  textWidth: 64,
  textLayers: 2,
  textHeads: 4,
};
const trainings = {
  autoencoder: {
    minutes: first,
    options: ['--task', 'autoencoder', '--batch-size', '16'],
    network: {
      kind: 'kl',
      blockOutChannels: [16, 32, 64],
      normNumGroups: 8,
      latentChannels: 4,
      midBlockAddAttention: false,
    },
  },
  latents: {
    minutes: minutes - first,
    options: [...words, '--autoencoder', join(out, 'autoencoder')],
    network: { ...network, patchSize: 1, channelMult: [2, 3], attentionResolutions: [1, 2] },
  },
  pixels: {
    minutes,
    options: words,
    network: { ...network, patchSize: 2, channelMult: [1, 2, 3], attentionResolutions: [2, 4] },
  },
};

const app = (name) => fileURLToPath(new URL(`../apps/${name}/dist/cli.js`, import.meta.url));
/** Says at a process's end how much memory it took at most, in kilobytes. */
const watch = `data:text/javascript,${encodeURIComponent(
  "import { writeFileSync } from 'node:fs'; process.on('exit', () => process.env.PEAK && writeFileSync(process.env.PEAK, String(process.resourceUsage().maxRSS)));",
)}`;

/** Runs a command; gives its seconds and its peak of memory in GB. */
function run(name, args) {
  const peak = join(out, 'peak');
  const start = performance.now();
  const { status } = spawnSync(process.execPath, ['--import', watch, app(name), ...args], {
    stdio: 'inherit',
    env: { ...process.env, PEAK: peak },
  });
  if (status !== 0) throw new Error(`${name} ${args.join(' ')} failed`);
  return { seconds: (performance.now() - start) / 1000, gigabytes: Number(readFileSync(peak, 'utf8')) / 1e6 };
}

const lines = (folder) =>
  readFileSync(join(folder, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
const rows = {};
for (const [name, { minutes: time, options, network: networkOptions }] of Object.entries(trainings)) {
  const folder = join(out, name);
  const record = join(out, `${name}.json`);
  if (existsSync(record)) {
    rows[name] = JSON.parse(readFileSync(record, 'utf8'));
    continue;
  }
  const args = [...common, ...options, '--network-options', JSON.stringify(networkOptions)];
  const trial = `${folder}-trial`;
  for (const old of [folder, trial]) rmSync(old, { recursive: true, force: true });
  run('trainer', [...args, '--steps', String(TRIED), '--validate-every', '0', '--sample-every', '0', '--out', trial]);
  const tried = lines(trial);
  const pace = (tried.at(-1).seconds - tried[WARM - 1].seconds) / (TRIED - WARM);
  rmSync(trial, { recursive: true });
  const steps = Math.max(1, Math.round((60 * time) / pace));
  const { gigabytes } = run('trainer', [
    ...args,
    '--steps',
    String(steps),
    '--sample-every',
    String(Math.ceil(steps / 4)),
    '--out',
    folder,
  ]);
  const row = { steps, seconds: lines(folder).at(-1).seconds, gigabytes };
  if (name !== 'autoencoder') {
    const drawn = ['--seed', '0', '--guidance', '1'];
    const words = ['twitter red apple', 'google smiling face'];
    row.drawing = run('sampler', [
      folder,
      ...words,
      ...drawn,
      '--count',
      '64',
      '--format',
      'grid',
      '--out',
      `${folder}-drawn`,
    ]).seconds;
    run('evaluator', [folder, ...drawn, '--count', values.images]);
    const [result] = JSON.parse(readFileSync(join(folder, 'evaluation.json'), 'utf8'));
    row.frechetDistance = result.frechetDistance;
  }
  rows[name] = row;
  writeFileSync(record, JSON.stringify(row));
}

console.log('\n|  | steps | training, s | s a step | memory, GB | 64 images, s | Fréchet distance |');
console.log('| --- | --- | --- | --- | --- | --- | --- |');
for (const [name, { steps, seconds, gigabytes, drawing, frechetDistance }] of Object.entries(rows))
  console.log(
    `| ${name} | ${steps} | ${seconds.toFixed(0)} | ${(seconds / steps).toFixed(3)} | ${gigabytes.toFixed(2)} | ${drawing?.toFixed(1) ?? ''} | ${frechetDistance?.toFixed(2) ?? ''} |`,
  );
