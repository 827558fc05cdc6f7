// What a learned variance brings (Nichol & Dhariwal 2021), and guidance by a classifier (Dhariwal & Nichol 2021): the
// network of the quick preset, without classes, learns ε with the hybrid loss and with L_simple alone, for as many steps;
// bits per dimension and 25 ancestral steps of both, and the first one led by a classifier. Tables as those of
// results.md; runs that are there are not trained again, and what was measured of them is not measured again.
//   node docs/learned-variance.mjs [--out runs/learned-variance] [--steps 1500] [--images 1024] [--bits 64]
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: join('runs', 'learned-variance') },
    steps: { type: 'string', default: '1500' },
    images: { type: 'string', default: '1024' },
    bits: { type: 'string', default: '64' },
  },
});
const { steps, images } = values;
const app = (name) => fileURLToPath(new URL(`../apps/${name}/dist/cli.js`, import.meta.url));

function run(name, ...args) {
  const { status } = spawnSync(process.execPath, [app(name), ...args], { stdio: ['ignore', 2, 2] });
  if (status !== 0) throw new Error(`learned-variance: ${name} ${args.join(' ')} ended with ${status}`);
}

/** The folder of a run, which is trained, or trained to its end, where that is missing. */
function trained(name, ...options) {
  const folder = join(values.out, name);
  if (existsSync(join(folder, 'checkpoint.safetensors'))) run('trainer', '--resume', folder);
  else run('trainer', ...options, '--schedule', 'cosine', '--timesteps', '1000', '--out', folder);
  return folder;
}

const read = (folder, file) => {
  const path = join(folder, file);
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : [];
};

/** Bits per dimension of Fashion-MNIST's test images by a run, by the variance. */
function bitsOf(folder) {
  const measured = () => read(folder, 'bits-per-dim.json').filter(({ images: { n } }) => n === Number(values.bits));
  // The images that the preset comes with have no held-out ones.
  if (measured().length === 0) run('evaluator', folder, '--bits-per-dim', values.bits, '--dataset', 'fashion-mnist');
  return Object.fromEntries(measured().map(({ variance, total }) => [variance, total]));
}

/** The measures of 25 steps of a sampler, at each scale of guidance. */
function measured(folder, sampler, { classifier, scales = [undefined] } = {}) {
  const of = (scale) =>
    read(folder, 'evaluation.json').find(
      ({ n, how }) =>
        n === Number(images) &&
        how.sampler === sampler &&
        how.steps === 25 &&
        how.classifier === classifier &&
        how.guidance === scale,
    );
  const guided = classifier ? ['--classifier', classifier, '--guidance', scales.join()] : [];
  if (!scales.every(of)) run('evaluator', folder, '-n', images, '--sampler', sampler, '--steps', '25', ...guided);
  return scales.map(of);
}

const quick = ['--preset', 'quick', '--no-classes', '--parameterisation', 'epsilon', '--sample-every', '0'];
const hybrid = trained('hybrid', ...quick, '--learn-sigma', '--loss', 'hybrid', '--steps', steps);
const simple = trained('simple', ...quick, '--steps', steps);

const row = (...cells) => console.log(`| ${cells.join(' | ')} |`);
const table = (...headings) => {
  row(...headings);
  row(...headings.map(() => '---'));
};
const percent = (share) => `${Math.round(100 * share)} %`;
const shares = ({ precision, recall }) => [percent(precision), percent(recall)];

table('loss', 'variance', 'bits per dimension', 'Fréchet distance, 25 steps', 'precision', 'recall');
for (const [loss, variance, folder, sampler, bits] of [
  ['L_simple', 'β̃', simple, 'ancestral-lower', 'lower'],
  ['L_simple', 'β', simple, 'ancestral-upper', 'upper'],
  ['L_hybrid', 'learned', hybrid, 'ancestral', 'learned'],
]) {
  const [at25] = measured(folder, sampler);
  row(loss, variance, bitsOf(folder)[bits].toFixed(3), at25.frechetDistance.toFixed(2), ...shares(at25));
}

const classifier = trained(
  'classifier',
  ...['--preset', 'noised-classifier', '--dataset', 'fashion-mnist-10k', '--steps', `${Math.ceil(steps / 2)}`],
);
const scales = [0, 1, 2, 4];
console.log();
table('guidance', 'right class', 'Fréchet distance', 'precision', 'recall');
measured(hybrid, 'ancestral', { classifier, scales }).forEach((at, i) =>
  row(scales[i], percent(at.classAccuracy), at.frechetDistance.toFixed(2), ...shares(at)),
);
