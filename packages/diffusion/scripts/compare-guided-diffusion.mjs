// Compares with guided-diffusion's own code, in float64: losses, bits per dimension, chains of every variance, guided and
// not, respaced, inverted, and its importance sampling, on other sizes and schedules than the tests have.
// Needs the package built, a checkout of openai/guided-diffusion, and a Python with torch:
// node scripts/compare-guided-diffusion.mjs <checkout> [python]
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Random } from '@ddpm/random';
import { cosineSchedule, linearSchedule } from '@ddpm/schedules';
import * as tf from '@tensorflow/tfjs';
import * as diffusion from '../dist/index.js';

const { ancestral, bitsPerDim, classifierGuided, clipped, ddim, ddimInversion, denoiser, denoising } = diffusion;
const { epsilon, hybrid, image, importance, l2, learnedRange, learnedVariance, respaced, sample } = diffusion;
const { spacedTimesteps, vlb } = diffusion;

const [checkout, python = 'python3'] = process.argv.slice(2);
if (checkout === undefined) throw new Error('usage: node scripts/compare-guided-diffusion.mjs <checkout> [python]');

const schedules = {
  linear: (timesteps) => linearSchedule({ timesteps, betaStart: 0.1 / timesteps, betaEnd: 20 / timesteps }),
  cosine: (timesteps) => cosineSchedule({ timesteps, minBeta: 0, maxBeta: 0.999 }),
};
const around = {
  LEARNED_RANGE: learnedRange,
  LEARNED: learnedVariance,
  FIXED_SMALL: (parameterisation) => parameterisation,
  FIXED_LARGE: (parameterisation) => parameterisation,
};
const base = { mean: 'EPSILON', variance: 'LEARNED_RANGE', slope: 0.6, shift: 0, scale: 1, eta: 0, history: 3 };
const cases = [
  { ...base, schedule: 'linear', timesteps: 1000, respacing: 'ddim10', shape: [2, 3, 5, 6] },
  { ...base, schedule: 'cosine', timesteps: 4000, respacing: '20,10', shape: [3, 1, 7, 4], eta: 0.7, scale: 2.5 },
  { ...base, schedule: 'linear', timesteps: 100, respacing: '100', shape: [1, 3, 4, 4], variance: 'FIXED_SMALL' },
  { ...base, schedule: 'cosine', timesteps: 50, respacing: '25', shape: [2, 2, 3, 3], variance: 'FIXED_LARGE' },
  { ...base, schedule: 'linear', timesteps: 200, respacing: '7', shape: [2, 3, 4, 2], variance: 'LEARNED', shift: -5 },
  { ...base, schedule: 'cosine', timesteps: 300, respacing: '3,2,8', shape: [2, 1, 4, 4], mean: 'START_X', eta: 1 },
  { ...base, schedule: 'linear', timesteps: 60, respacing: 'ddim2', shape: [1, 1, 8, 8], slope: 0.9 },
].map((given, i) => {
  const rng = new Random(['compare', i]);
  const [n, ...rest] = given.shape;
  const size = rest.reduce((product, side) => product * side, n);
  const kept = spacedTimesteps(given.timesteps, given.respacing).length;
  const history = given.history;
  return {
    ...given,
    uniform: 0.01,
    images: Array.from(rng.integers(size, 256), (byte) => byte / 127.5 - 1),
    noise: [...rng.normals(size)],
    // The last step, where the decoder stands, and others.
    t: Array.from({ length: n }, (_, k) => (k === 0 ? 0 : rng.integer(kept))),
    draws: Array.from({ length: (kept + 1) * size }, () => rng.normal()),
    updates: Array.from({ length: 2 * history }, () => ({
      t: Array.from({ length: kept }, (_, t) => t),
      losses: Array.from({ length: kept }, () => rng.uniform()),
    })),
  };
});

const folder = mkdtempSync(join(tmpdir(), 'ddpm-compare-'));
writeFileSync(join(folder, 'cases.json'), JSON.stringify(cases));
const program = fileURLToPath(new URL('compare_guided_diffusion.py', import.meta.url));
const { stdout, stderr, status } = spawnSync(python, [program, checkout, join(folder, 'cases.json')], {
  encoding: 'utf8',
  maxBuffer: 2 ** 28,
});
rmSync(folder, { recursive: true });
if (status !== 0) throw new Error(`${python} failed:\n${stderr}`);

await tf.setBackend('cpu');
/** Pixels may be 0; and guidance at hardly any signal makes images of some hundreds, which float32 leaves few digits. */
const images = ['ancestral', 'ancestral, guided', 'ddim', 'ddim, guided', 'inverted'];
const floors = Object.fromEntries(images.map((name) => [name, 1]));
const rows = [];
for (const [i, theirs] of JSON.parse(stdout).entries()) {
  const ours = await run(cases[i], theirs);
  const differences = Object.entries(theirs).map(([name, expected]) => [
    name,
    difference(ours[name], expected, floors[name] ?? 1e-12),
  ]);
  const { schedule, timesteps, respacing, variance, mean } = cases[i];
  rows.push([`${schedule} ${timesteps}, ${respacing}, ${variance} ${mean}`, Object.fromEntries(differences)]);
}
const names = Object.keys(rows[0][1]);
for (const [i, [title]] of rows.entries()) console.log(`${i}: ${title}`);
console.log('Largest difference, relative to the value, but of images where that is above 1:');
console.table(Object.fromEntries(names.map((name) => [name, rows.map(([, of]) => of[name].toExponential(1))])));

function difference(actual, expected, floor) {
  if (actual?.length !== expected.length) return Infinity;
  return Math.max(...expected.map((value, k) => Math.abs(actual[k] - value) / Math.max(Math.abs(value), floor)));
}

async function run(given) {
  const { shape, timesteps, mean, variance } = given;
  // Theirs has channels first.
  const nhwc = [0, 2, 3, 1].map((axis) => shape[axis]);
  const tensor = (values) => tf.transpose(tf.tensor(Float32Array.from(values), shape), [0, 2, 3, 1]);
  const flat = (x) => [...tf.transpose(x, [0, 3, 1, 2]).dataSync()];
  const size = shape.reduce((a, b) => a * b);
  const draw = (k) => tensor(given.draws.slice(k * size, (k + 1) * size)).dataSync();
  const told = (t) => tf.reshape(tf.div(t, timesteps), [-1, 1, 1, 1]);
  const network = {
    apply(x, t) {
      const main = tf.add(tf.mul(x, given.slope), tf.mul(tf.sin(tf.add(tf.mul(x, 2), tf.mul(told(t), 4))), 0.3));
      if (!variance.startsWith('LEARNED')) return main;
      return tf.concat([main, tf.add(tf.cos(tf.sub(x, tf.mul(told(t), 3))), given.shift)], 3);
    },
  };
  const parameterisation = around[variance]({ EPSILON: epsilon, START_X: image }[mean]);
  const schedule = schedules[given.schedule](timesteps);
  const kept = spacedTimesteps(timesteps, given.respacing);
  const levels = respaced(schedule, kept);
  const fixed = variance === 'FIXED_LARGE' ? 'upper' : 'lower';
  const model = denoiser(network, { parameterisation });
  const gradient = async (x, { time }) =>
    tf.tidy(() => tf.mul(tf.sub(tf.cos(tf.add(x, time / timesteps)), tf.mul(x, 0.5)), given.scale));
  const out = {
    timesteps: kept,
    betas: kept.map((_, k) => {
      const [t, s] = [levels.at(-2 - k), levels.at(-1 - k)];
      return 1 - (t.signal / s.signal) ** 2;
    }),
  };

  const lossesOf = (options) => {
    const task = denoising({
      ...{ network, parameters: new Map(), parameterisation, loss: l2, ...options },
      levels: { draw: () => given.t.map((t) => ({ level: levels.at(-2 - t) })) },
    });
    const [, ...item] = nhwc;
    const inputs = task.draw({ image: { data: tensor(given.images).dataSync(), item } }, new Random(0));
    const with_ = Object.entries({ ...inputs, noise: { data: tensor(given.noise).dataSync(), item } });
    const { loss, simple } = task.loss(
      Object.fromEntries(with_.map(([name, { data, item }]) => [name, tf.tensor(data, [shape[0], ...item])])),
    );
    return { loss: [...loss.dataSync()], simple: [...simple.dataSync()] };
  };
  const learned = parameterisation.variance !== undefined;
  const both = lossesOf({ bound: learned ? hybrid(levels) : undefined });
  Object.assign(out, { simple: both.simple, hybrid: both.loss });
  out.vlb = lossesOf({ bound: vlb(levels, { variance: fixed }) }).loss;

  for (const [clip, denoise] of [
    ['True', clipped(model)],
    ['False', model],
  ]) {
    let k = 0;
    const rng = { normals: () => draw(k++) };
    const bits = await bitsPerDim(denoise, tensor(given.images), { levels, rng, variance: fixed });
    const flatten = (list) => list.flatMap((row) => [...row]);
    Object.assign(out, {
      [`total_bpd, clip ${clip}`]: [...bits.total],
      [`prior_bpd, clip ${clip}`]: [...bits.prior],
      [`vb, clip ${clip}`]: flatten(bits.vlb),
      [`xstart_mse, clip ${clip}`]: flatten(bits.xStartMse),
      [`mse, clip ${clip}`]: flatten(bits.noiseMse),
    });
  }

  const drawn = async (sampler, denoise) => {
    let k = 0;
    return flat(
      await sample(denoise, tensor(given.draws.slice(0, size)), { sampler, rng: { normals: () => draw(++k) } }),
    );
  };
  const chain = ancestral(levels, learned ? {} : { variance: fixed });
  const ancestralGuide = { gradient, scale: 1, ancestral: { levels, ...(!learned && { variance: fixed }) } };
  out.ancestral = await drawn(chain, clipped(model));
  out['ancestral, guided'] = await drawn(chain, classifierGuided(clipped(model), ancestralGuide));
  const implicit = ddim(levels, { eta: given.eta });
  out.ddim = await drawn(implicit, clipped(model));
  out['ddim, guided'] = await drawn(implicit, classifierGuided(clipped(model), { gradient, scale: 1 }));
  const inversion = ddimInversion([{ signal: 0, sigma: 1, time: timesteps }, ...levels.slice(0, -1)]);
  const none = { normals: () => draw(0) };
  out.inverted = flat(await sample(clipped(model), tensor(given.images), { sampler: inversion, rng: none }));

  const source = importance(
    { ...schedule, timesteps: kept.length },
    { history: given.history, uniform: given.uniform },
  );
  for (const { t, losses } of given.updates) source.observe(Int32Array.from(t), losses);
  const p = new Array(kept.length).fill(NaN);
  for (const { index, weight } of source.draw(100_000, new Random(1))) p[index] = 1 / (kept.length * weight);
  out.importance = p;
  return out;
}
