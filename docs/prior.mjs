// Where x_T should come from, by schedule and by the number of steps: the network of the quick preset, without classes,
// learns ε on schedules that end with more or less of the images left; each is drawn from noise alone and from noise
// matched to the images. A table as that of results.md; runs that are there are not trained again, and what was measured
// of them is not measured again.
//   node docs/prior.mjs [--out runs/prior] [--steps 1000] [--images 512]
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { resultsOf, run, table, trained } from './experiment.mjs';

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: join('runs', 'prior') },
    steps: { type: 'string', default: '1000' },
    images: { type: 'string', default: '512' },
  },
});

/** Schedules, their timesteps, and what is left of an image's variance at the last of them. */
const schedules = [
  ['quadratic', 200, 0.236],
  ['linear', 200, 0.132],
  ['linear', 500, 0.0064],
  ['cosine', 200, 0],
];
const counts = [5, 10, 25];

/** The Fréchet distance of images drawn by so many steps of DDIM. */
function distance(folder, prior, steps) {
  const measured = () =>
    resultsOf(folder).find(
      ({ n, how }) =>
        n === Number(values.images) && how.sampler === 'ddim' && how.steps === steps && how.prior === prior,
    );
  const how = ['--sampler', 'ddim', '--steps', `${steps}`, '--prior', prior];
  if (!measured()) run('evaluator', folder, '-n', values.images, ...how);
  return measured().frechetDistance.toFixed(2);
}

const quick = ['--preset', 'quick', '--no-classes', '--parameterisation', 'epsilon', '--steps', values.steps];
table(
  ['schedule', 'ᾱ_T', ...['noise alone', 'matched'].flatMap((prior) => counts.map((n) => `${prior}, ${n} steps`))],
  schedules.map(([schedule, timesteps, left]) => {
    const levels = ['--schedule', schedule, '--timesteps', `${timesteps}`];
    const folder = trained(join(values.out, `${schedule}-${timesteps}`), ...quick, ...levels, '--sample-every', '0');
    // Where nothing of the images is left, nothing is measured of them either.
    const shares = ['standard', ...(left > 0 ? ['matched'] : [])];
    const distances = shares.flatMap((prior) => counts.map((steps) => distance(folder, prior, steps)));
    return [`${schedule}, ${timesteps} timesteps`, left, ...distances, ...(left > 0 ? [] : counts.map(() => '–'))];
  }),
);
