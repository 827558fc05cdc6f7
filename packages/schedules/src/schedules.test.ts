import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import {
  cosineSchedule,
  linearSchedule,
  quadraticSchedule,
  respace,
  scaledLinearSchedule,
  scheduleFromBetas,
  sigmoidSchedule,
  signalToNoise,
} from './index';
import type { NoiseSchedule } from './index';

// Made by the tutorial's own schedule functions in float64: {schedule}/{T} → its arrays, by their PyTorch names.
const golden = JSON.parse(readFileSync('test/golden.json', 'utf8')) as Record<string, Record<string, number[]>>;
const schedules = { linear: linearSchedule, cosine: cosineSchedule, quadratic: quadraticSchedule, sigmoid: sigmoidSchedule };
const camel = (name: string) => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());

describe.each(Object.entries(golden))('%s', (name, arrays) => {
  const [kind, timesteps] = name.split('/');
  const schedule = schedules[kind as keyof typeof schedules]({ timesteps: Number(timesteps) });
  test.each(Object.entries(arrays))('%s agrees with the tutorial to 1e-12', (key, expected) => {
    const actual = schedule[camel(key) as Exclude<keyof NoiseSchedule, 'timesteps'>];
    expect(actual).toHaveLength(expected.length);
    expected.forEach((value, t) => expect(Math.abs(actual[t] - value)).toBeLessThanOrEqual(1e-12 * Math.max(1, Math.abs(value))));
  });
});

test('the tutorial’s linear schedule leaves a trace of the image at T = 200; cosine and scaled linear do not', () => {
  const last = (schedule: NoiseSchedule) => schedule.alphasCumprod[199];
  expect(last(linearSchedule({ timesteps: 200 }))).toBeCloseTo(0.132, 3);
  expect(last(scaledLinearSchedule({ timesteps: 200 }))).toBeLessThan(1e-4);
  expect(last(cosineSchedule({ timesteps: 200 }))).toBeLessThan(1e-4);
});

test('one timestep is a schedule too', () => {
  for (const make of Object.values(schedules)) expect(make({ timesteps: 1 }).posteriorVariance).toEqual(Float64Array.of(0));
});

test('the signal-to-noise ratio falls, and is 1 where signal and noise have equal shares', () => {
  const snr = signalToNoise(cosineSchedule({ timesteps: 1000 }));
  for (let t = 1; t < 1000; t++) expect(snr[t]).toBeLessThan(snr[t - 1]);
  expect(signalToNoise(scheduleFromBetas([0.5]))[0]).toBe(1);
});

describe('respace', () => {
  const schedule = linearSchedule({ timesteps: 100 });
  test('keeps ᾱ at the chosen steps, and all steps give the schedule itself', () => {
    const steps = [0, 9, 50, 99];
    const respaced = respace(schedule, steps);
    steps.forEach((t, i) => expect(respaced.alphasCumprod[i]).toBeCloseTo(schedule.alphasCumprod[t], 14));
    const whole = respace(schedule, [...schedule.betas.keys()]);
    schedule.betas.forEach((beta, t) => expect(whole.betas[t]).toBeCloseTo(beta, 14));
  });
  test('refuses steps that do not ascend within the schedule', () => {
    expect(() => respace(schedule, [5, 5])).toThrow('respace: steps must be whole numbers that ascend within 0 … 99, got 5 at position 1');
    expect(() => respace(schedule, [-1])).toThrow('got -1 at position 0');
    expect(() => respace(schedule, [100])).toThrow('got 100 at position 0');
  });
});

test('names what is wrong', () => {
  expect(() => linearSchedule({ timesteps: 0 })).toThrow('linearSchedule: timesteps must be a whole number of at least 1, got 0');
  expect(() => cosineSchedule({ timesteps: 2.5 })).toThrow('cosineSchedule: timesteps must be a whole number of at least 1, got 2.5');
  expect(() => scaledLinearSchedule({ timesteps: 20 })).toThrow('scaledLinearSchedule: timesteps must be above 20');
  expect(() => linearSchedule({ timesteps: 10, betaEnd: 1.5 })).toThrow('scheduleFromBetas: every β must lie between 0 and 1, got 1.');
  expect(() => quadraticSchedule({ timesteps: 3, betaStart: -1 })).toThrow('got NaN at t = 0');
  expect(() => scheduleFromBetas([])).toThrow('scheduleFromBetas: at least one β is needed, got none');
});
