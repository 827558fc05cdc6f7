import { readFileSync } from 'node:fs';
import { linearSchedule, stableDiffusionSchedule, zeroTerminalSnr } from '@ddpm/schedules';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { Denoise, Level, Parameterisation, Sampler } from '../index';
import {
  ancestral,
  clean,
  clipped,
  ddim,
  deis,
  denoiser,
  dpmSolver,
  dpmSolverSinglestep,
  edm,
  edmScale,
  exponential,
  epsilon,
  euler,
  eulerAncestral,
  flow,
  flowAt,
  heun,
  karras,
  kdpm2,
  lcm,
  leading,
  levelAt,
  linspace,
  pndm,
  sample,
  scheduleScale,
  trailing,
  uniPc,
  velocity,
} from '../index';

/**
 * Trajectories of diffusers 0.42.1's schedulers (`step` in a loop): x_T, x after half of the steps, and the last, of
 * eight elements, with the timesteps and σ that were visited. The network is model(x, t) = 0.6x + 0.3 sin(2x + t/250),
 * x as `scale_model_input` gives it. Noise is drawn from `noise`, a row a step from the second on (the first makes
 * x_T).
 */
const { noise, cases } = JSON.parse(readFileSync('test/diffusers.json', 'utf8')) as {
  noise: number[][];
  cases: Record<string, { timesteps: number[]; sigmas?: number[]; xT: number[]; middle: number[]; last: number[] }>;
};

const output = (x: tf.Tensor4D, t: number) =>
  tf.add<tf.Tensor4D>(tf.mul(x, 0.6), tf.mul(tf.sin(tf.add(tf.mul(x, 2), t / 250)), 0.3));
const model = (parameterisation: Parameterisation): Denoise =>
  denoiser({ apply: (x: tf.Tensor4D, t: tf.Tensor1D) => output(x, t.dataSync()[0]) }, { parameterisation });
const network = model(epsilon);

const schedule = linearSchedule();
const scale = scheduleScale(schedule);
const stable = stableDiffusionSchedule();
/** The levels of a scheduler with a schedule, at the timesteps it visited. */
const visited = (name: string, last = clean, of = schedule) =>
  [...new Set(cases[name].timesteps)].map((t) => levelAt(of, t)).concat(last);

const flowLevels = (name: string) => cases[name].sigmas!.map(flowAt);

/** Schedulers of σ hold x/signal. */
type Case = [name: string, sampler: Sampler, options?: { holds?: 'x/signal'; denoise?: Denoise }];

/** The levels of a scheduler that rounds the timestep which a σ has. */
const rounded = (name: string) =>
  cases[name].sigmas!.map((sigma, i) => ({ ...scale.at(sigma), time: cases[name].timesteps[i] ?? 0 }));

const atKarras = karras(scale, 10);
const all: Case[] = [
  ['ddpm-epsilon', ancestral(leading(schedule, 20)), { denoise: clipped(network) }],
  ['ddpm-fixed_large', ancestral(leading(schedule, 20), { variance: 'upper' }), { denoise: clipped(network) }],
  ['ddim-leading', ddim(leading(schedule, 10))],
  ['ddim-trailing', ddim(trailing(schedule, 10))],
  ['ddim-sd', ddim([...leading(stable, 10, { offset: 1 }).slice(0, -1), levelAt(stable, 0)])],
  ['ddim-zsnr-trailing-v', ddim(trailing(zeroTerminalSnr(schedule), 10)), { denoise: model(velocity) }],
  ['dpmpp-1m', dpmSolver(visited('dpmpp-1m'), { order: 1 })],
  ['dpmpp-2m', dpmSolver(visited('dpmpp-2m'))],
  ['dpmpp-2m-heun', dpmSolver(visited('dpmpp-2m-heun'), { solver: 'heun' })],
  ['dpmpp-2m-20', dpmSolver(visited('dpmpp-2m-20'))],
  ['dpmpp-2m-karras', dpmSolver(rounded('dpmpp-2m-karras'))],
  ['dpmpp-2m-lu', dpmSolver(rounded('dpmpp-2m-lu'))],
  ['dpmpp-2m-sde', dpmSolver(visited('dpmpp-2m-sde'), { eta: 1 })],
  ['dpmpp-3m', dpmSolver(visited('dpmpp-3m'), { order: 3, curvature: 'half' })],
  ['dpmpp-2s', dpmSolverSinglestep(visited('dpmpp-2s'))],
  ['unipc-2', uniPc(visited('unipc-2'))],
  ['unipc-3-bh2', uniPc(visited('unipc-3-bh2'), { order: 3 })],
  ['unipc-karras', uniPc(rounded('unipc-karras'))],
  ['deis-2', deis(visited('deis-2', levelAt(schedule, 0)))],
  ['deis-3', deis(visited('deis-3', levelAt(schedule, 0)), { order: 3 })],
  ['pndm-sd', pndm([...leading(stable, 10, { offset: 1 }).slice(0, -1), levelAt(stable, 0)])],
  ['euler-linspace', euler(linspace(schedule, 10)), { holds: 'x/signal' }],
  ['euler-karras', euler(atKarras), { holds: 'x/signal' }],
  ['euler-a', eulerAncestral(linspace(schedule, 10)), { holds: 'x/signal' }],
  ['heun', heun(linspace(schedule, 10)), { holds: 'x/signal' }],
  ['heun-karras', heun(atKarras), { holds: 'x/signal' }],
  ['kdpm2', kdpm2(linspace(schedule, 10), scale), { holds: 'x/signal' }],
  ['lcm', lcm(visited('lcm', clean, stable))],
  ['edm-euler', euler(karras(edmScale(), 10)), { denoise: model(edm()) }],
  ['edm-dpmpp-2m', dpmSolver(karras(edmScale(), 10)), { denoise: model(edm()) }],
  ['flow-euler', ddim(flowLevels('flow-euler')), { denoise: model(flow) }],
];

test.each(all)('%s', async (name, sampler, { holds, denoise = network } = {}) => {
  const { xT, middle, last } = cases[name];
  const half = Math.floor((sampler.levels.length - 1) / 2);
  const inX = (values: number[], { signal }: Level) => (holds ? values.map((value) => value * signal) : values);
  const batch = (values: number[]) => tf.tensor4d(values, [1, 2, 2, 2]);
  let draws = 0;
  let seen: Float32Array | undefined;
  const x0 = await sample(denoise, batch(inX(xT, sampler.levels[0])), {
    sampler,
    rng: { normals: () => Float32Array.from(noise[++draws]) },
    onStep: ({ index, x }) => void (index + 1 === half && (seen = x.dataSync() as Float32Array)),
  });
  const error = (actual: ArrayLike<number>, expected: number[]) =>
    Math.max(...expected.map((value, i) => Math.abs(actual[i] - value) / Math.max(1, Math.abs(value))));
  expect(error(seen!, inX(middle, sampler.levels[half]))).toBeLessThan(2e-5);
  expect(error(x0.dataSync(), last)).toBeLessThan(2e-5);
});

describe('the levels are those of diffusers', () => {
  const ratios = (levels: readonly Level[]) => levels.map(({ signal, sigma }) => sigma / signal);
  test.each([
    ['euler-karras', karras(scale, 10)],
    ['dpmpp-2m-lu', exponential(scale, 10)],
    ['edm-euler', karras(edmScale(), 10)],
    ['euler-linspace', linspace(schedule, 10)],
  ])('%s: σ', (name, levels) => {
    const { sigmas } = cases[name];
    expect(levels).toHaveLength(sigmas!.length);
    ratios(levels).forEach((ratio, i) => expect(Math.abs(ratio - sigmas![i])).toBeLessThanOrEqual(1e-4 * sigmas![i]));
  });

  test.each([
    ['euler-karras', karras(scale, 10), 1e-2],
    // It rounds them.
    ['dpmpp-2m-lu', exponential(scale, 10), 0.5],
    ['ddpm-epsilon', leading(schedule, 20), 0],
    ['ddim-sd', leading(stable, 10, { offset: 1 }), 0],
    ['ddim-trailing', trailing(schedule, 10), 0],
    ['euler-linspace', linspace(schedule, 10), 0],
    ['flow-euler', flowLevels('flow-euler'), 1e-3],
    ['kdpm2', kdpm2(linspace(schedule, 10), scale).levels, 1e-2],
  ])('%s: what the network is told', (name, levels, within) => {
    const { timesteps } = cases[name];
    expect(levels).toHaveLength(timesteps.length + 1);
    timesteps.forEach((t, i) => expect(Math.abs(levels[i].time - t)).toBeLessThanOrEqual(within));
  });
});
