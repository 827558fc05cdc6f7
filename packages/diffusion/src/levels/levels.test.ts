import { linearSchedule, scheduleFromBetas, zeroTerminalSnr } from '@ddpm/schedules';
import { describe, expect, test } from '@jest/globals';
import type { Level } from '../index';
import {
  clean,
  edmScale,
  exponential,
  flowScale,
  karras,
  leading,
  levelAt,
  linspace,
  respaced,
  scheduleScale,
  spacedTimesteps,
  trailing,
  uniformLogSnr,
} from '../index';
import { logVariances } from './posterior';

const schedule = linearSchedule();
const ratio = ({ signal, sigma }: Level) => sigma / signal;

describe('between two timesteps', () => {
  test('log σ is linear in t, and signal² + sigma² = 1', () => {
    const [a, between, b] = [levelAt(schedule, 41), levelAt(schedule, 41.25), levelAt(schedule, 42)];
    expect(Math.log(ratio(between))).toBeCloseTo(0.75 * Math.log(ratio(a)) + 0.25 * Math.log(ratio(b)), 12);
    expect(between.signal ** 2 + between.sigma ** 2).toBeCloseTo(1, 12);
    expect(between.time).toBe(41.25);
  });

  test('a scale finds the t of a σ, the whole ones too, and that of the nearest end beyond them', () => {
    const scale = scheduleScale(schedule);
    for (const t of [0, 0.5, 1, 41.25, 998.75, 999]) {
      const level = scale.at(ratio(levelAt(schedule, t)));
      expect(level.time).toBeCloseTo(t, 6);
      expect(level.signal).toBeCloseTo(levelAt(schedule, t).signal, 12);
      expect(level.sigma).toBeCloseTo(levelAt(schedule, t).sigma, 12);
    }
    expect(scale.at(scale.max * 2).time).toBe(999);
    expect(ratio(scale.at(scale.max * 2))).toBeCloseTo(scale.max * 2, 6);
    expect(scale.at(scale.min / 2).time).toBe(0);
    expect(scale.at(0)).toEqual(clean);
  });

  test('a t outside the schedule is refused', () => {
    for (const t of [-0.1, 999.5, NaN])
      expect(() => levelAt(schedule, t)).toThrow(`levelAt: t must be a number from 0 to 999, got ${t}`);
  });
});

test('a flow’s scale finds the t at which sigma/signal is σ', () => {
  for (const t of [0.001, 0.3, 0.999]) expect(flowScale().at(t / (1 - t)).sigma).toBeCloseTo(t, 12);
});

describe.each([
  ['scheduleScale', scheduleScale(schedule)],
  ['edmScale', edmScale()],
  ['flowScale', flowScale()],
])('spacings of %s', (_, scale) => {
  test.each([
    ['karras', karras, (sigma: number) => sigma ** (1 / 7)],
    ['exponential', exponential, Math.log],
  ])('%s: even steps from the greatest to the least, and the image', (_name, spacing, evenly) => {
    const levels = spacing(scale, 9);
    expect(levels).toHaveLength(10);
    expect(levels[9]).toEqual(clean);
    const values = levels.slice(0, 9).map((level) => evenly(ratio(level)));
    expect(values[0]).toBeCloseTo(evenly(scale.max), 6);
    expect(values[8]).toBeCloseTo(evenly(scale.min), 6);
    values.slice(1).forEach((value, i) => expect(value - values[i]).toBeCloseTo((values[8] - values[0]) / 8, 6));
    expect(spacing(scale, 1).map(ratio)).toEqual([expect.closeTo(scale.max, 6), 0]);
  });
});

test('uniformLogSnr: even steps of λ, of which the last, to the least σ, goes to the image', () => {
  const scale = edmScale();
  const levels = uniformLogSnr(scale, 9);
  expect(levels).toHaveLength(10);
  expect(levels[9]).toEqual(clean);
  const lambdas = [...levels.slice(0, 9).map(ratio), scale.min].map((sigma) => -Math.log(sigma));
  expect(lambdas[0]).toBeCloseTo(-Math.log(scale.max), 9);
  const step = Math.log(scale.max / scale.min) / 9;
  lambdas.slice(1).forEach((lambda, i) => expect(lambda - lambdas[i]).toBeCloseTo(step, 9));
});

test('the timesteps of each spacing', () => {
  const times = (levels: readonly Level[]) => levels.slice(0, -1).map(({ time }) => time);
  expect(times(leading(schedule, 4))).toEqual([750, 500, 250, 0]);
  expect(times(leading(schedule, 3, { offset: 1 }))).toEqual([667, 334, 1]);
  expect(times(linspace(schedule, 4))).toEqual([999, 666, 333, 0]);
  // Halves go to the even side, as NumPy's do: 832.5, 666, 499.5, 333, 166.5.
  expect(times(linspace(schedule, 7))).toEqual([999, 832, 666, 500, 333, 166, 0]);
  expect(times(linspace(schedule, 1))).toEqual([999]);
  expect(times(trailing(schedule, 4))).toEqual([999, 749, 499, 249]);
  // 937.5, 812.5 …
  expect(times(trailing(schedule, 16)).slice(0, 4)).toEqual([999, 937, 874, 811]);
});

test('of a schedule that ends without signal, the first step is from noise alone, and the others are spaced as ever', () => {
  const dark = zeroTerminalSnr(schedule);
  const scale = scheduleScale(dark);
  const { noise: _, ...lit } = scale;
  expect(scale.noise).toEqual({ signal: 0, sigma: 1, time: 999 });
  expect(scale.max).toBeCloseTo(ratio(levelAt(dark, 998)), 6);
  for (const spacing of [karras, exponential, uniformLogSnr]) {
    expect(spacing(scale, 9)).toEqual([scale.noise, ...spacing(lit, 8)]);
    expect(spacing(scale, 1)).toEqual([scale.noise, clean]);
  }
  expect(scheduleScale(scheduleFromBetas([1]))).toMatchObject({ min: Infinity, max: Infinity, noise: { sigma: 1 } });
  // Between the last two timesteps, and beyond, the network is told of the last with signal.
  expect(scale.at(scale.max * 2).time).toBe(998);
});

test('what cannot be spaced is refused', () => {
  for (const steps of [0, 1001, 2.5]) {
    expect(() => leading(schedule, steps)).toThrow(
      `leading: steps must be a whole number from 1 to 1000, the schedule's timesteps; got ${steps}`,
    );
    expect(() => linspace(schedule, steps)).toThrow('linspace: steps must be a whole number from 1 to 1000');
  }
  expect(() => leading(schedule, 1000, { offset: 1 })).toThrow('levelAt: t must be a number from 0 to 999, got 1000');
  expect(() => karras(edmScale(), 0)).toThrow('karras: steps must be a positive whole number, got 0');
  expect(() => uniformLogSnr(flowScale({ max: 1 }), 5)).toThrow(
    /^uniformLogSnr: σ must run between two numbers above 0, got 0\.001\d* and Infinity; give the scale other ends$/,
  );
});

describe('respaced', () => {
  test('timesteps are those of improved-diffusion’s space_timesteps', () => {
    // sorted(space_timesteps(timesteps, sections)) of its own code.
    expect(spacedTimesteps(1000, 'ddim4')).toEqual([0, 250, 500, 750]);
    expect(spacedTimesteps(100, 'ddim34').slice(-3)).toEqual([93, 96, 99]);
    expect(spacedTimesteps(1000, [25])).toEqual([
      ...[0, 42, 83, 125, 166, 208, 250, 291, 333, 375, 416, 458, 500, 541, 583, 624, 666, 708, 749, 791, 832, 874],
      ...[916, 957, 999],
    ]);
    expect(spacedTimesteps(10, [3, 1, 2])).toEqual([0, 2, 3, 4, 7, 9]);
    expect(spacedTimesteps(11, '4,4')).toEqual([0, 2, 3, 5, 6, 7, 9, 10]);
    expect(spacedTimesteps(300, '10,15,20').slice(8, 15)).toEqual([88, 99, 100, 107, 114, 121, 128]);
    expect(() => spacedTimesteps(10, 'ddim7')).toThrow('spacedTimesteps: no stride takes exactly 7 of 10 timesteps');
    expect(() => spacedTimesteps(10, '3,8')).toThrow(
      'spacedTimesteps: a section of 5 timesteps cannot give 8, as asked of section 1',
    );
    expect(() => spacedTimesteps(10, 'all')).toThrow(
      'spacedTimesteps: sections must be whole numbers such as 10,15,20, or ddim and a number; got all',
    );
  });

  test('levels add β′ = 1 − ᾱ_t/ᾱ_s, and keep the schedule’s own t', () => {
    const levels = respaced(schedule, [700, 3, 40, 40]);
    expect(levels.map(({ time }) => time)).toEqual([700, 40, 3, 0]);
    expect(levels.at(-1)).toEqual(clean);
    const bars = [700, 40, 3].map((t) => schedule.alphasCumprod[t]).concat(1);
    const { posteriorVariance, betas } = scheduleFromBetas([2, 1, 0].map((i) => 1 - bars[i] / bars[i + 1]));
    for (const i of [0, 1, 2]) {
      const { lower, upper } = logVariances(levels, i);
      expect(upper).toBeCloseTo(Math.log(betas[2 - i]), 10);
      // At the image, that of the step before.
      expect(lower).toBeCloseTo(Math.log(posteriorVariance[Math.max(1, 2 - i)]), 10);
    }
    expect(() => respaced(schedule, [])).toThrow('respaced: timesteps must be whole numbers from 0 to 999, got none');
    expect(() => respaced(schedule, [1000])).toThrow('from 0 to 999, got 1000');
  });
});
