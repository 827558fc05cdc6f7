// How far from the data the samples of each sampler are, where the best network is known: one pixel drawn from a
// mixture of Gaussians.
// Wasserstein-1 of 20,000 samples, at 5, 10, 20 and 50 evaluations. `npm run build` first, then: node
// packages/diffusion/scripts/oracle.mjs
import { Random } from '@ddpm/random';
import { linearSchedule } from '@ddpm/schedules';
import * as d from '../dist/index.js';
import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import { bestDenoise, transported, wasserstein } from '../test/mixture.mjs';

const n = Number(process.argv[2] ?? 20_000);
const counts = [5, 10, 20, 50];
const schedule = linearSchedule();
const scale = d.scheduleScale(schedule);
const spacings = {
  trailing: (steps) => d.trailing(schedule, steps),
  leading: (steps) => d.leading(schedule, steps),
  linspace: (steps) => d.linspace(schedule, steps),
  karras: (steps) => d.karras(scale, steps),
  uniformLogSnr: (steps) => d.uniformLogSnr(scale, steps),
};
/** Of levels; `cost` is how many evaluations each takes but the last, and `extra` how many more there are. */
const samplers = {
  ancestral: { of: (levels) => d.ancestral(levels) },
  'ancestral, upper': { of: (levels) => d.ancestral(levels, { variance: 'upper' }) },
  ddim: { of: (levels) => d.ddim(levels) },
  'dpmSolver 2': { of: (levels) => d.dpmSolver(levels) },
  'dpmSolver 3': { of: (levels) => d.dpmSolver(levels, { order: 3 }) },
  'dpmSolver 2, η = 1': { of: (levels) => d.dpmSolver(levels, { eta: 1 }) },
  dpmSolverSinglestep: { of: (levels) => d.dpmSolverSinglestep(levels) },
  'uniPc 2': { of: (levels) => d.uniPc(levels) },
  'uniPc 2, bh1': { of: (levels) => d.uniPc(levels, { solver: 'bh1' }) },
  'uniPc 3': { of: (levels) => d.uniPc(levels, { order: 3 }) },
  'deis 2': { of: (levels) => d.deis(levels) },
  'deis 3': { of: (levels) => d.deis(levels, { order: 3 }) },
  pndm: { of: (levels) => d.pndm(levels), extra: 1 },
  heun: { of: (levels) => d.heun(levels), cost: 2 },
  'heun, churn': { of: (levels) => d.heun(levels, { churn: { amount: 10, scale, min: 0.05, max: 50 } }), cost: 2 },
  kdpm2: { of: (levels) => d.kdpm2(levels, scale), cost: 2 },
  'kdpm2, η = 1': { of: (levels) => d.kdpm2(levels, scale, { eta: 1 }), cost: 2 },
};

const rng = new Random(1);
const row = (cells) => console.log(`| ${cells.join(' | ')} |`);
console.log(
  `Wasserstein-1 of ${n} samples; of as many draws from the mixture itself: ${wasserstein(transported(rng.normals(n))).toFixed(4)}.\n`,
);
row(['sampler', 'levels', ...counts]);
row(['---', '---', ...counts.map(() => '---:')]);
for (const [name, { of, cost = 1, extra = 0 }] of Object.entries(samplers)) {
  for (const [spacing, levels] of Object.entries(spacings)) {
    const distances = [];
    for (const count of counts) {
      const sampler = of(levels(cost === 2 ? Math.floor((count + 1) / 2) : count - extra));
      if (sampler.levels.length - 1 > count)
        throw new Error(`${name}: ${sampler.levels.length - 1} evaluations instead of ${count}`);
      const xT = tf.tensor4d(rng.normals(n), [n, 1, 1, 1]);
      const x0 = await d.sample(bestDenoise, xT, { sampler, rng });
      distances.push(wasserstein(x0.dataSync()).toFixed(4));
      tf.dispose([xT, x0]);
    }
    row([name, spacing, ...distances]);
  }
}
