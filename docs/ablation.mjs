// What each part of the quick preset brings: the preset, and the preset without one part or with another in its place,
// each trained for as many images, evaluated by 1,024 images, as the table of results.md. Half an hour on two idle cores;
// runs that are there are not trained again.
//   node docs/ablation.mjs [--out runs/ablation] [--only preset,ema] [--steps 2000]
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { kid, percent, resultsOf, run, table, trained } from './experiment.mjs';

/** By name: what is changed, in words, and as options of ddpm-train. */
const variants = {
  preset: ['the preset', []],
  noise: ['the nearest of 4 noises', ['--noises', '4']],
  ema: ['an average of ten times the length (0.999)', ['--ema', '0.999']],
  'no-ema': ['no average', ['--ema', '0']],
  beta2: ['β₂ 0.999', ['--beta2', '0.999']],
  batch: ['half as many steps of twice the images', ['--batch-size', '64', '--steps', (steps) => steps / 2]],
  constant: ['a rate that does not fall', ['--decay', 'constant']],
  unclassed: ['no classes', ['--no-classes']],
  uniform: ['levels drawn independently', ['--level-source', 'uniform']],
  epsilon: ['ε, on the cosine of Nichol & Dhariwal', ['--parameterisation', 'epsilon', '--schedule', 'cosine']],
  snr: ['min-SNR', ['--weighting', 'min-snr']],
  edm: ['EDM', ['--parameterisation', 'edm', '--level-source', 'log-normal', '--weighting', 'edm']],
  attention: ['attention in the middle alone', ['--network-options', { attentionResolutions: [] }]],
};

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: join('runs', 'ablation') },
    only: { type: 'string', default: Object.keys(variants).join() },
    steps: { type: 'string', default: '2000' },
  },
});
const steps = Number(values.steps);
const network = {
  ...{ patchSize: 'auto', modelChannels: 16, channelMult: [2, 4], numResBlocks: 1 },
  ...{ attentionResolutions: [2], numHeads: 4, groups: 8 },
};

const rows = [];
for (const name of values.only.split(',')) {
  if (!variants[name]) throw new Error(`ablation: --only must be of ${Object.keys(variants).join(', ')}, got ${name}`);
  const [does, changes] = variants[name];
  const folder = join(values.out, name);
  const changed = changes.map((change) => {
    if (typeof change === 'function') return `${change(steps)}`;
    return typeof change === 'object' ? JSON.stringify({ ...network, ...change }) : change;
  });
  trained(folder, '--preset', 'quick', '--steps', values.steps, '--sample-every', '0', ...changed);
  if (resultsOf(folder).length === 0) run('evaluator', folder, '-n', '1024');
  const measured = resultsOf(folder).at(-1);
  const lines = readFileSync(join(folder, 'metrics.jsonl'), 'utf8').trim().split('\n');
  const { frechetDistance, kernelDistance, precision, recall, classAccuracy } = measured;
  rows.push([
    ...[does, frechetDistance.toFixed(2), kid(kernelDistance), ...[precision, recall, classAccuracy].map(percent)],
    Math.round(JSON.parse(lines.at(-1)).seconds),
  ]);
}

table(['recipe', 'Fréchet distance', 'KID', 'precision', 'recall', 'right class', 'seconds'], rows);
