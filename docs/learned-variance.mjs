// What a learned variance brings (Nichol & Dhariwal 2021), and guidance by a classifier (Dhariwal & Nichol 2021): the
// network of the quick preset, without classes, learns ε with the hybrid loss and with L_simple alone, for as many steps;
// bits per dimension and 25 ancestral steps of both, and the first one led by a classifier. Tables as those of
// results.md; runs that are there are not trained again, and what was measured of them is not measured again.
//   node docs/learned-variance.mjs [--out runs/learned-variance] [--steps 1500] [--images 1024] [--bits 64]
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { percent, resultsOf, run, table, trained } from './experiment.mjs';

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: join('runs', 'learned-variance') },
    steps: { type: 'string', default: '1500' },
    images: { type: 'string', default: '1024' },
    bits: { type: 'string', default: '64' },
  },
});
const { steps, images } = values;
const train = (name, ...options) =>
  trained(join(values.out, name), ...options, '--schedule', 'cosine', '--timesteps', '1000');

/** Bits per dimension of Fashion-MNIST's test images by a run, by the variance. */
function bitsOf(folder) {
  const measured = () =>
    resultsOf(folder, 'bits-per-dim.json').filter(({ images: { n } }) => n === Number(values.bits));
  // The images that the preset comes with have no held-out ones.
  if (measured().length === 0) run('evaluator', folder, '--bits-per-dim', values.bits, '--dataset', 'fashion-mnist');
  return Object.fromEntries(measured().map(({ variance, total }) => [variance, total]));
}

/** The measures of 25 steps of a sampler, at each scale of guidance. */
function measured(folder, sampler, { classifier, scales = [undefined] } = {}) {
  const of = (scale) =>
    resultsOf(folder).find(
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
const hybrid = train('hybrid', ...quick, '--learn-sigma', '--loss', 'hybrid', '--steps', steps);
const simple = train('simple', ...quick, '--steps', steps);

const shares = ({ precision, recall }) => [percent(precision), percent(recall)];

const rows = [
  ['L_simple', 'β̃', simple, 'ancestral-lower', 'lower'],
  ['L_simple', 'β', simple, 'ancestral-upper', 'upper'],
  ['L_hybrid', 'learned', hybrid, 'ancestral', 'learned'],
];
table(
  ['loss', 'variance', 'bits per dimension', 'Fréchet distance, 25 steps', 'precision', 'recall'],
  rows.map(([loss, variance, folder, sampler, bits]) => {
    const [at25] = measured(folder, sampler);
    return [loss, variance, bitsOf(folder)[bits].toFixed(3), at25.frechetDistance.toFixed(2), ...shares(at25)];
  }),
);

const classifier = train(
  'classifier',
  ...['--preset', 'noised-classifier', '--dataset', 'fashion-mnist-10k', '--steps', `${Math.ceil(steps / 2)}`],
);
const scales = [0, 1, 2, 4];
console.log();
table(
  ['guidance', 'right class', 'Fréchet distance', 'precision', 'recall'],
  measured(hybrid, 'ancestral', { classifier, scales }).map((at, i) => [
    ...[scales[i], percent(at.classAccuracy), at.frechetDistance.toFixed(2)],
    ...shares(at),
  ]),
);
