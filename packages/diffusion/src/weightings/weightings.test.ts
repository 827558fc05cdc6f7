import { cosineSchedule, velocityCosineSchedule } from '@ddpm/schedules';
import { describe, expect, test } from '@jest/globals';
import type { Parameterisation, Weighting } from '../index';
import {
  edm,
  edmAt,
  edmWeighting,
  epsilon,
  flow,
  flowAt,
  image,
  levelAt,
  minSnr,
  p2,
  signalToNoise,
  softMinSnr,
  velocity,
} from '../index';

test('min-SNR makes the weighted losses of ε, x_0 and v the same where the network is the same', () => {
  const schedule = cosineSchedule({ timesteps: 10 });
  for (let t = 0; t < 10; t++) {
    const level = levelAt(schedule, t);
    const snr = signalToNoise(level);
    expect(snr).toBeCloseTo(schedule.alphasCumprod[t] / (1 - schedule.alphasCumprod[t]), 9);
    const [e, x, v] = [epsilon, image, velocity].map((parameterisation) => minSnr(parameterisation)(level));
    expect(x).toBe(Math.min(snr, 5));
    expect(e * snr).toBeCloseTo(x, 10);
    expect(v * (snr + 1)).toBeCloseTo(x, 10);
  }
});

const levels = [levelAt(cosineSchedule({ timesteps: 10 }), 6), edmAt(0.3), edmAt(20), flowAt(0.7)];
const weightings: [string, (parameterisation: Parameterisation) => Weighting][] = [
  ['minSnr', minSnr],
  ['softMinSnr', softMinSnr],
  ['p2', p2],
  ['edmWeighting', edmWeighting],
];

describe.each(weightings)('%s', (_, weighting) => {
  test('counts an error of x̂_0 alike, whatever the network predicts', () => {
    for (const level of levels)
      for (const parameterisation of [epsilon, velocity, flow, edm()])
        // A squared error e of x̂_0 is e·errorScale of the output.
        expect(weighting(parameterisation)(level) * parameterisation.errorScale(level)).toBeCloseTo(
          weighting(image)(level),
          9,
        );
  });
  test('is a number where nothing of the image is left', () => {
    const nothing = levelAt(velocityCosineSchedule({ timesteps: 2 }), 1);
    for (const parameterisation of [image, velocity, flow])
      expect(weighting(parameterisation)(nothing)).toBeGreaterThanOrEqual(0);
  });
});

test('soft min-SNR is half of γ where SNR = γ, and nears SNR and γ away from there', () => {
  const weight = (sigma: number) => softMinSnr(image, { gamma: 4 })(edmAt(sigma));
  expect(weight(0.5)).toBeCloseTo(2, 12);
  expect(weight(1e-3)).toBeCloseTo(4, 4);
  expect(weight(100) / 1e-4).toBeCloseTo(1, 4);
  expect(softMinSnr(image)(edmAt(Math.sqrt(0.2)))).toBeCloseTo(2.5, 12);
});

test('P2 is 1/(k + SNR)^γ for ε', () => {
  for (const level of levels) {
    const snr = signalToNoise(level);
    expect(p2(epsilon)(level)).toBeCloseTo(1 / (1 + snr), 12);
    expect(p2(epsilon, { k: 2, gamma: 0.5 })(level)).toBeCloseTo((2 + snr) ** -0.5, 12);
    expect(p2(epsilon, { gamma: 0 })(level)).toBeCloseTo(1, 12);
    // v with γ = 1 and k = 1 on a schedule is weighed SNR/(1 + SNR)².
    if (level === levels[0]) expect(p2(velocity)(level)).toBeCloseTo(snr / (1 + snr) ** 2, 12);
  }
});

test('EDM’s λ(σ) is (σ² + σ_data²)/(σ·σ_data)², and 1 for its own parameterisation', () => {
  for (const sigma of [0.01, 0.5, 7]) {
    expect(
      edmWeighting(image, { sigmaData: 0.4 })(edmAt(sigma)) / ((sigma ** 2 + 0.16) / (sigma * 0.4) ** 2),
    ).toBeCloseTo(1, 12);
    expect(edmWeighting(edm({ sigmaData: 0.4 }), { sigmaData: 0.4 })(edmAt(sigma))).toBeCloseTo(1, 12);
  }
});
