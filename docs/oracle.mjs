// How far from the data the samples of each sampler are, where the best network is known: one pixel drawn from a
// mixture of Gaussians, by the linear schedule of 1000 timesteps. Tables as those of samplers.md: Wasserstein-1 of every
// sampler with every spacing, at 5, 10, 20 and 50 evaluations, and how fast the error falls with the step. Samplers that
// draw no noise begin with the quantiles of N(0, 1), so that chance has no part in their figures; those of the others are
// of 20,000 draws, and chance moves them by some 0.003. `npm run build` first, then
//   node docs/oracle.mjs [samplers, such as ddim,dpm++2m]
import {
  bestDenoise,
  errorAfter,
  normalQuantiles,
  transported,
  wasserstein,
} from '../packages/diffusion/test/mixture.mjs';
import * as diffusion from '../packages/diffusion/dist/index.js';
import * as models from '../packages/models/dist/index.js';
import { Random } from '../packages/random/dist/index.js';
import { linearSchedule } from '../packages/schedules/dist/index.js';
import { createRequire } from 'node:module';

// That of the packages, of which there must be one alone.
const tf = createRequire(new URL('../packages/models/package.json', import.meta.url))('@tensorflow/tfjs');

// LCM is for consistency models, which this one is not.
const only = process.argv[2]?.split(',') ?? Object.keys(models.samplers).filter((name) => name !== 'lcm');
const counts = [5, 10, 20, 50];
const [few, many] = [1000, 20_000];
const known = models.scheduleLevels(linearSchedule());
const drawsNothing = {
  normals: () => {
    throw new Error('oracle: a sampler that should draw no noise did');
  },
};

/** The sampler of a choice that asks the network so often at most. */
function samplerOf(choice, evaluations) {
  for (let steps = evaluations; steps > 0; steps--) {
    const chosen = models.chooseSampler({ ...choice, steps }, known);
    const sampler = chosen.make(chosen.levels);
    if (sampler.levels.length - 1 <= evaluations) return { sampler, draws: chosen.draws };
  }
  throw new Error(`oracle: ${choice.sampler} asks more than ${evaluations} times in a step`);
}

async function distance(choice, evaluations) {
  const { sampler, draws } = samplerOf(choice, evaluations);
  const n = draws ? many : few;
  const xT = tf.tensor4d(normalQuantiles(n), [n, 1, 1, 1]);
  const rng = draws ? new Random([1, 'oracle', evaluations]) : drawsNothing;
  const x0 = await diffusion.sample(bestDenoise, xT, { sampler, rng });
  const far = wasserstein(x0.dataSync());
  tf.dispose([xT, x0]);
  return far;
}

const row = (cells) => console.log(`| ${cells.join(' | ')} |`);
const floor = wasserstein(transported(new Random(1).normals(many)));
console.log(`Of as many draws from the mixture itself: ${floor.toFixed(4)}.\n`);
row(['sampler', 'spacing', ...counts]);
row(['---', '---', ...counts.map(() => '---:')]);
for (const sampler of only)
  for (const spacing of Object.keys(models.spacings)) {
    const cells = [];
    for (const count of counts) cells.push((await distance({ sampler, spacing }, count)).toFixed(3));
    const { spacing: own } = models.chooseSampler({ sampler, steps: 5 }, known);
    row([sampler, spacing === own ? `**${spacing}**` : spacing, ...cells]);
  }

console.log();
row(['sampler', 'error in 40 steps', 'in 80', 'order']);
row(['---', '---:', '---:', '---:']);
for (const name of only) {
  const { draws } = models.chooseSampler({ sampler: name, steps: 5 }, known);
  if (draws) continue;
  const make = (levels) => models.samplers[name].make(levels, { scale: known.scale, eta: 0, churn: 0 });
  const [coarse, fine] = [
    await errorAfter(diffusion, known.scale, make, 40),
    await errorAfter(diffusion, known.scale, make, 80),
  ];
  row([name, coarse.toExponential(1), fine.toExponential(1), Math.log2(coarse / fine).toFixed(2)]);
}
