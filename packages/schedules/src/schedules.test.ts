import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import {
  cosineSchedule,
  linearSchedule,
  quadraticSchedule,
  scheduleFromBetas,
  sigmoidSchedule,
  signalToNoise,
  stableDiffusionSchedule,
  stretchedLinearSchedule,
  velocityCosineSchedule,
  zeroTerminalSnr,
} from './index';
import type { NoiseSchedule } from './index';

// Made by the tutorial's own schedule functions in float64: {schedule}/{T} → its arrays, by their PyTorch names.
const golden = JSON.parse(readFileSync('test/golden.json', 'utf8')) as Record<string, Record<string, number[]>>;
const schedules = {
  linear: linearSchedule,
  cosine: cosineSchedule,
  quadratic: quadraticSchedule,
  sigmoid: sigmoidSchedule,
};
const camel = (name: string) => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());

describe.each(Object.entries(golden))('%s', (name, arrays) => {
  const [kind, timesteps] = name.split('/');
  const schedule = schedules[kind as keyof typeof schedules]({ timesteps: Number(timesteps) });
  test.each(Object.entries(arrays))('%s agrees with the tutorial to 1e-12', (key, expected) => {
    const actual = schedule[camel(key) as Exclude<keyof NoiseSchedule, 'timesteps'>];
    expect(actual).toHaveLength(expected.length);
    expected.forEach((value, t) =>
      expect(Math.abs(actual[t] - value)).toBeLessThanOrEqual(1e-12 * Math.max(1, Math.abs(value))),
    );
  });
});

test('the tutorial’s linear schedule leaves a trace of the image at T = 200; cosine and stretched linear do not', () => {
  const last = (schedule: NoiseSchedule) => schedule.alphasCumprod[199];
  expect(last(linearSchedule({ timesteps: 200 }))).toBeCloseTo(0.132, 3);
  expect(last(stretchedLinearSchedule({ timesteps: 200 }))).toBeLessThan(1e-4);
  expect(last(cosineSchedule({ timesteps: 200 }))).toBeLessThan(1e-4);
});

test('one timestep is a schedule too', () => {
  for (const make of Object.values(schedules))
    expect(make({ timesteps: 1 }).posteriorVariance).toEqual(Float64Array.of(0));
});

test('the signal-to-noise ratio falls, and is 1 where signal and noise have equal shares', () => {
  const snr = signalToNoise(cosineSchedule({ timesteps: 1000 }));
  for (let t = 1; t < 1000; t++) expect(snr[t]).toBeLessThan(snr[t - 1]);
  expect(signalToNoise(scheduleFromBetas([0.5]))[0]).toBe(1);
});

test('Stable Diffusion’s √β goes from √0.00085 to √0.012 in even steps, to ᾱ_T = 0.0047 (its published √ᾱ_T of 0.068265)', () => {
  const { betas, sqrtAlphasCumprod } = stableDiffusionSchedule();
  expect([betas[0], betas[999]]).toEqual([expect.closeTo(0.00085, 15), expect.closeTo(0.012, 15)]);
  expect(2 * Math.sqrt(betas[500]) - Math.sqrt(betas[499]) - Math.sqrt(betas[501])).toBeCloseTo(0, 15);
  // Lin et al. 2024, table 1.
  expect(sqrtAlphasCumprod[999]).toBeCloseTo(0.068265, 6);
});

test('v-prediction’s cosine is √ᾱ_t = cos(π/2 · (t + 1)/T), a right angle in even steps', () => {
  const { sqrtAlphasCumprod, sqrtOneMinusAlphasCumprod } = velocityCosineSchedule({ timesteps: 30 });
  for (let t = 0; t < 30; t++) {
    expect(sqrtAlphasCumprod[t]).toBeCloseTo(Math.cos(((t + 1) / 30) * (Math.PI / 2)), 12);
    expect(Math.atan2(sqrtOneMinusAlphasCumprod[t], sqrtAlphasCumprod[t])).toBeCloseTo(
      ((t + 1) / 30) * (Math.PI / 2),
      12,
    );
  }
  expect(sqrtAlphasCumprod[29]).toBe(0);
});

describe('zero terminal SNR', () => {
  test.each<[string, (options: { timesteps: number }) => NoiseSchedule]>([
    ...Object.entries(schedules),
    ['stable diffusion', stableDiffusionSchedule],
  ])('of %s ends in noise alone, begins as before, and √ᾱ_t keeps its shape', (_, make) => {
    const schedule = make({ timesteps: 40 });
    const rescaled = zeroTerminalSnr(schedule);
    const [before, after] = [schedule, rescaled].map(({ sqrtAlphasCumprod }) => sqrtAlphasCumprod);
    expect([after[39], rescaled.betas[39], signalToNoise(rescaled)[39]]).toEqual([0, 1, 0]);
    expect(after[0]).toBeCloseTo(before[0], 14);
    const place = (roots: Float64Array, t: number) => (roots[t] - roots[39]) / (roots[0] - roots[39]);
    for (let t = 1; t < 39; t++) expect(place(after, t)).toBeCloseTo(place(before, t), 12);
  });
  test('leaves every derived coefficient a number', () => {
    const { timesteps: _, ...arrays } = zeroTerminalSnr(linearSchedule({ timesteps: 10 }));
    for (const array of Object.values(arrays)) expect(array.every(Number.isFinite)).toBe(true);
    // q(x_{T−2} | x_{T−1}, x_0) where x_{T−1} is noise is q(x_{T−2} | x_0).
    expect(arrays.posteriorVariance[9]).toBe(1 - arrays.alphasCumprod[8]);
  });
  test('survives its β’s, which are what checkpoints hold', () => {
    const schedule = zeroTerminalSnr(linearSchedule({ timesteps: 10 }));
    expect(scheduleFromBetas([...schedule.betas])).toEqual(schedule);
  });
});

test('names what is wrong', () => {
  expect(() => linearSchedule({ timesteps: 0 })).toThrow(
    'linearSchedule: timesteps must be a whole number of at least 1, got 0',
  );
  expect(() => cosineSchedule({ timesteps: 2.5 })).toThrow(
    'cosineSchedule: timesteps must be a whole number of at least 1, got 2.5',
  );
  expect(() => stretchedLinearSchedule({ timesteps: 20 })).toThrow(
    'stretchedLinearSchedule: timesteps must be above 20',
  );
  expect(() => linearSchedule({ timesteps: 10, betaEnd: 1.5 })).toThrow(
    'scheduleFromBetas: every β must lie between 0 and 1, got 1.',
  );
  expect(() => quadraticSchedule({ timesteps: 3, betaStart: -1 })).toThrow('got NaN at t = 0');
  expect(() => zeroTerminalSnr(linearSchedule({ timesteps: 1 }))).toThrow(
    'zeroTerminalSnr: the schedule must have at least 2 timesteps, got 1',
  );
  // Only the last step may leave nothing of the image, or there would be nothing to add noise to.
  expect(() => scheduleFromBetas([0.5, 1, 0.5])).toThrow('every β must lie between 0 and 1, got 1 at t = 1');
  expect(() => scheduleFromBetas([])).toThrow('scheduleFromBetas: at least one β is needed, got none');
});
