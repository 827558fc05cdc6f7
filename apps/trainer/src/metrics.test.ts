import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { addPoint, BUCKETS, curvePoints, emptyCurve } from './curves';
import { addStep, emptyHistory, medianSpeed, recentLoss } from './history';
import type { Metrics } from './metrics-of';
import { historySteps, openMetrics } from './metrics';

const line = (step: number, change: Partial<Metrics> = {}): Metrics => ({
  ...{
    step,
    epoch: 0,
    loss: 1 / (step + 1),
    gradNorm: Math.sin(step),
    imagesPerSecond: 10 + (step % 7),
    seconds: step * 0.1,
  },
  ...{ learningRate: 1e-3, quartiles: [0.1, null, 0.3, step], ...change },
});

describe('a curve', () => {
  test('is its values while they are few', () => {
    const curve = emptyCurve();
    [3, NaN, 1, Infinity].forEach((value, step) => addPoint(curve, step, value));
    expect(curvePoints(curve)).toEqual([
      { step: 0, mean: 3, low: 3, high: 3 },
      { step: 2, mean: 1, low: 1, high: 1 },
    ]);
  });

  test('of a million steps is 488 buckets of 2,048, each with the mean and the range of its values', () => {
    const curve = emptyCurve();
    // A sawtooth over each bucket, on a slope: mean 1023.5 + bucket, from bucket to 2047 + bucket.
    for (let step = 0; step < 2048 * 488; step++) addPoint(curve, step, (step % 2048) + Math.floor(step / 2048));
    expect(curve.width).toBe(2048);
    const points = curvePoints(curve);
    expect(points).toHaveLength(488);
    points.forEach((point, i) =>
      expect(point).toEqual({ step: 2048 * i + 1023.5, mean: 1023.5 + i, low: i, high: 2047 + i }),
    );
  });

  test('keeps values that are far apart where they are', () => {
    const curve = emptyCurve();
    for (const step of [0, 10, 100_000]) addPoint(curve, step, step);
    expect(curvePoints(curve)).toEqual([
      { step: 5, mean: 5, low: 0, high: 10 },
      { step: 100_000, mean: 100_000, low: 100_000, high: 100_000 },
    ]);
    expect(100_000 / curve.width).toBeLessThan(BUCKETS);
  });
});

test('a history knows the least validation loss, the last losses and the usual speed', () => {
  const history = emptyHistory();
  for (let step = 0; step < 30; step++) addStep(history, line(step, { loss: step < 29 ? step : NaN }));
  addStep(history, line(30, { loss: 30, validationLoss: 0.5, skipped: true }));
  addStep(history, line(31, { loss: 31, validationLoss: 0.7, seconds: 9, imagesPerSecond: 1e9 }));
  expect(history).toMatchObject({ steps: 32, skipped: 1, seconds: 9, best: { loss: 0.5, steps: 31 } });
  // 12 … 31 without 29.
  expect(recentLoss(history)).toBeCloseTo(((12 + 31) * 10 - 29) / 19, 12);
  expect(medianSpeed(history)).toBe(13);
  expect(recentLoss(emptyHistory())).toBeNaN();
});

describe('openMetrics', () => {
  let folder: string;
  beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'ddpm-metrics-'))));
  afterEach(() => rmSync(folder, { recursive: true }));
  const path = () => join(folder, 'metrics.jsonl');
  const written = () =>
    readFileSync(path(), 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((text) => (JSON.parse(text) as Metrics).step);
  const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
  /** Trains from one step to another, saving after some. */
  async function trained(from: number, to: number, ...saves: number[]) {
    const metrics = await openMetrics(folder, from);
    for (let step = from; step < to; step++) {
      await metrics.add(line(step, step === 7 ? { loss: NaN } : {}));
      if (saves.includes(step + 1)) await metrics.save();
    }
    await metrics.close();
    return metrics.history;
  }

  test.each<[string, number[], number]>([
    ['the step that its history was saved after', [10], 10],
    ['a later step, to which lines are read', [4, 10], 15],
    ['an earlier one, which needs all lines', [10, 20], 6],
    ['a step without a history', [], 12],
  ])('a run goes on from %s as if it had never stopped', async (_, saves, resume) => {
    const whole = await trained(0, 30);
    const first = await trained(0, 20, ...saves);
    expect(first.steps).toBe(20);
    expect(await historySteps(folder)).toBe(saves.at(-1));
    appendFileSync(path(), '{"step": 20, "lo');
    const second = await trained(resume, 30, 30);
    expect(second).toEqual(whole);
    expect(written()).toEqual(range(0, 30));
    expect(await historySteps(folder)).toBe(30);
  });

  test('what was saved is not read again', async () => {
    await trained(0, 20, 10);
    // The lines before step 10, made unreadable without a change of their length.
    const text = readFileSync(path(), 'utf8').split('\n');
    writeFileSync(path(), text.map((old, i) => (i < 10 ? '-'.repeat(old.length) : old)).join('\n'));
    const metrics = await openMetrics(folder, 15);
    await metrics.close();
    const whole = emptyHistory();
    for (const step of range(0, 15)) addStep(whole, line(step, step === 7 ? { loss: NaN } : {}));
    expect(metrics.history).toEqual(whole);
  });

  test.each<[string, (text: string) => string]>([
    ['is shorter', (text) => text.slice(0, 300)],
    ['has other lines', (text) => `{"x":1}\n${text}`],
    ['is not there', () => ''],
  ])('a history that is of another file than %s is made again', async (_, change) => {
    await trained(0, 20, 20);
    const changed = change(readFileSync(path(), 'utf8'));
    writeFileSync(path(), changed);
    const metrics = await openMetrics(folder, 20);
    await metrics.close();
    const kept = changed.split('\n').filter((text) => text.startsWith('{"step"') && text.endsWith('}')).length;
    expect(metrics.history.steps).toBe(kept);
  });

  test.each(['{', '{}', '[]', '{"steps":20,"bytes":0}'])('a history that says %s is made again', async (text) => {
    const whole = await trained(0, 20);
    writeFileSync(join(folder, 'history.json'), text);
    expect(await trained(20, 20)).toEqual(whole);
  });

  test('a new run begins with an empty file, and a history is small', async () => {
    writeFileSync(path(), '{"step":0}\n');
    const metrics = await openMetrics(folder, 0);
    expect(readFileSync(path(), 'utf8')).toBe('');
    expect(existsSync(join(folder, 'history.json'))).toBe(false);
    for (const step of range(0, 5000)) addStep(metrics.history, line(step));
    await metrics.save();
    await metrics.close();
    expect(readFileSync(join(folder, 'history.json')).length).toBeLessThan(500_000);
  });
});
