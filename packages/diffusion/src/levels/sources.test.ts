import { readFileSync } from 'node:fs';
import { Random } from '@ddpm/random';
import { linearSchedule } from '@ddpm/schedules';
import { describe, expect, test } from '@jest/globals';
import type { LevelSource } from '../index';
import { importance, logitNormal, logNormal, stratified, uniform, uniformFlow } from '../index';

const counted = (values: Iterable<number>) => {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
};

test('uniform draws every t, and nothing else', () => {
  const drawn = uniform(linearSchedule({ timesteps: 5 })).draw(400, new Random(1));
  for (const { level, index } of drawn) expect(level.time).toBe(index);
  const counts = counted(drawn.map(({ level }) => level.time));
  // 80 of each are expected, with a deviation of 8.
  expect([...counts.keys()].sort()).toEqual([0, 1, 2, 3, 4]);
  for (const count of counts.values()) expect(Math.abs(count - 80)).toBeLessThan(32);
});

describe('stratified', () => {
  const schedule = linearSchedule({ timesteps: 20 });
  const ts = (n: number, seed: number) =>
    stratified(schedule)
      .draw(n, new Random(seed))
      .map(({ level }) => level.time);

  test('draws one in each of n equal parts, in any order', () => {
    for (let seed = 0; seed < 50; seed++) {
      const parts = ts(5, seed).map((t) => Math.floor(t / 4));
      expect(parts.sort()).toEqual([0, 1, 2, 3, 4]);
      expect(new Set(ts(20, seed)).size).toBe(20);
      expect([...counted(ts(40, seed)).values()]).toEqual(new Array(20).fill(2));
    }
  });

  test('each image’s t is uniform by itself', () => {
    for (const image of [0, 2]) {
      const counts = counted(Array.from({ length: 2000 }, (_, seed) => ts(3, seed)[image]));
      // 100 of each are expected, with a deviation of 9.7.
      for (let t = 0; t < 20; t++) expect(Math.abs(counts.get(t)! - 100)).toBeLessThan(40);
    }
  });
});

/** Φ, by the midpoint rule. */
const normalCdf = (x: number) => {
  const steps = 400;
  const h = (x + 8) / steps;
  let sum = 0;
  for (let i = 0; i < steps; i++) sum += Math.exp(-0.5 * (-8 + (i + 0.5) * h) ** 2);
  return (sum * h) / Math.sqrt(2 * Math.PI);
};

test.each<[string, LevelSource, (level: { signal: number; sigma: number; time: number }) => number]>([
  ['ln σ is normal', logNormal(), ({ sigma }) => normalCdf((Math.log(sigma) + 1.2) / 1.2)],
  [
    'ln σ is normal, as it is asked to be',
    logNormal({ mean: 0.4, deviation: 0.5 }),
    ({ sigma }) => normalCdf((Math.log(sigma) - 0.4) / 0.5),
  ],
  ['a flow’s t is uniform', uniformFlow(), ({ sigma }) => sigma],
  ['logit t is normal', logitNormal(), ({ signal, sigma }) => normalCdf(Math.log(sigma / signal))],
  [
    'logit t is normal, as it is asked to be',
    logitNormal({ mean: 1, deviation: 0.7 }),
    ({ signal, sigma }) => normalCdf((Math.log(sigma / signal) - 1) / 0.7),
  ],
])('%s: its distribution function of the draws is uniform', (_, source, cdf) => {
  const n = 2000;
  const places = source
    .draw(n, new Random(4))
    .map(({ level }) => cdf(level))
    .sort((a, b) => a - b);
  // Kolmogorov & Smirnov: the largest distance exceeds 1.95/√n once in a thousand times.
  const distance = Math.max(...places.map((place, i) => Math.max(place - i / n, (i + 1) / n - place)));
  expect(distance).toBeLessThan(1.95 / Math.sqrt(n));
});

test('levels are those of EDM and of a flow', () => {
  for (const { level } of logNormal().draw(5, new Random(1)))
    expect(level).toEqual({ signal: 1, sigma: level.sigma, time: level.sigma });
  for (const source of [uniformFlow(), logitNormal()])
    for (const { level } of source.draw(5, new Random(1)))
      expect(level).toEqual({ signal: 1 - level.sigma, sigma: level.sigma, time: 1000 * level.sigma });
  expect(() => logNormal({ deviation: -1 })).toThrow(
    'logNormal: mean must be a number and deviation one of at least 0, got -1.2 and -1',
  );
  expect(() => logitNormal({ mean: NaN })).toThrow(
    'logitNormal: mean must be a number and deviation one of at least 0, got NaN and 1',
  );
});

describe('importance', () => {
  /** p_t of every t, by the weights of many draws: 1/(T·p_t). */
  const probabilities = (source: LevelSource, timesteps: number) => {
    const p = new Array<number>(timesteps).fill(NaN);
    for (const { index, weight } of source.draw(1000, new Random(1))) p[index!] = 1 / (timesteps * weight!);
    return p;
  };

  test('has the probabilities of improved-diffusion’s LossSecondMomentResampler after each of its updates', () => {
    // Made by its own code: after each update with the losses at t, the probabilities p.
    const golden = JSON.parse(readFileSync('test/importance.json', 'utf8')) as {
      T: number;
      historyPerTerm: number;
      uniformProb: number;
      updates: { t: number[]; loss: number[]; p: number[] }[];
    };
    const schedule = linearSchedule({ timesteps: golden.T });
    const source = importance(schedule, { history: golden.historyPerTerm, uniform: golden.uniformProb });
    for (const { t, loss, p } of golden.updates) {
      source.observe!(Int32Array.from(t), loss);
      probabilities(source, golden.T).forEach((share, i) => expect(Math.abs(share - p[i])).toBeLessThan(1e-15));
    }
  });

  test('draws as often as it says, and the weights keep the expected loss', () => {
    const source = importance(linearSchedule({ timesteps: 4 }), { history: 1 });
    const loss = [0.1, 0.4, 0, 0.5];
    source.observe!(Int32Array.of(0, 1, 2, 3), Float32Array.from(loss));
    const n = 20_000;
    const drawn = source.draw(n, new Random(2));
    const counts = counted(drawn.map(({ index }) => index!));
    // √(n·p·(1 − p)) is at most 71; p of t = 2 is 0.001/4.
    loss.forEach((value, t) =>
      expect(Math.abs((counts.get(t) ?? 0) - n * (0.999 * value + 0.001 / 4))).toBeLessThan(280),
    );
    expect(counts.get(2)).toBeGreaterThan(0);
    // Where p follows the losses exactly, every weighted loss is the mean: importance sampling at its best.
    const mean = drawn.reduce((sum, { index, weight }) => sum + loss[index!] * weight!, 0) / n;
    expect(mean).toBeCloseTo(0.25, 2);
  });

  test('goes on exactly from its state', () => {
    const make = () => importance(linearSchedule({ timesteps: 3 }), { history: 2 });
    const [one, other] = [make(), make()];
    const learn = (source: LevelSource, from: number, to: number) => {
      for (let i = from; i < to; i++)
        source.observe!(Int32Array.of(i % 3, 1), Float32Array.of(Math.sin(i) ** 2, 0.1 * i));
    };
    for (const at of [0, 3, 8]) {
      learn(one, 0, at);
      other.restore!(one.state!());
      learn(one, at, at + 5);
      learn(other, at, at + 5);
      expect(other.state!()).toEqual(one.state!());
      expect(other.draw(50, new Random(3))).toEqual(one.draw(50, new Random(3)));
    }
    // What was saved is a copy.
    const saved = one.state!();
    const before = [...saved.get('losses')!];
    learn(one, 0, 3);
    expect([...saved.get('losses')!]).toEqual(before);
  });

  test('is uniform where nothing was lost yet, and refuses what it cannot be', () => {
    const schedule = linearSchedule({ timesteps: 3 });
    const source = importance(schedule, { history: 1 });
    source.observe!(Int32Array.of(0, 1, 2), new Float32Array(3));
    expect(probabilities(source, 3)).toEqual([1 / 3, 1 / 3, 1 / 3].map((share) => expect.closeTo(share, 12)));
    expect(() => importance(schedule, { history: 0 })).toThrow(
      'importance: history must be a whole number of at least 1, got 0',
    );
    expect(() => importance(schedule, { uniform: 2 })).toThrow(
      'importance: uniform must be a share from 0 to 1, got 2',
    );
  });
});
