import * as tf from '@tensorflow/tfjs-core';

/** They are called often, and a test's realm is slow to look them up. */
const { abs, exp, hypot, log, max, sqrt, PI } = Math;

/** One pixel that is drawn from a mixture of Gaussians. */
const mixture = [
  { weight: 0.3, mean: -0.8, deviation: 0.05 },
  { weight: 0.5, mean: 0.1, deviation: 0.1 },
  { weight: 0.2, mean: 0.7, deviation: 0.2 },
];

/** E[x_0 | x], exactly: each Gaussian's own, by how likely it is given x. In float64 but for x itself. */
export async function bestDenoise(x, { signal, sigma }) {
  const components = mixture.map(({ weight, mean, deviation }) => {
    const total = (signal * deviation) ** 2 + sigma ** 2;
    return {
      mean,
      shift: signal * mean,
      gain: (signal * deviation ** 2) / total,
      total,
      base: log(weight) - log(total) / 2,
    };
  });
  const x0 = (await x.data()).map((value) => {
    const logs = components.map(({ shift, total, base }) => base - (value - shift) ** 2 / total / 2);
    const greatest = logs.reduce((a, b) => max(a, b));
    const shares = logs.map((log) => exp(log - greatest));
    const sum = shares.reduce((a, b) => a + b);
    return components.reduce(
      (best, { mean, shift, gain }, i) => best + (shares[i] / sum) * (mean + gain * (value - shift)),
      0,
    );
  });
  return { x0: tf.tensor(x0, x.shape) };
}

/**
 * x of every image at a level: the quantiles of n equal shares, which the probability-flow equation carries from level
 * to level.
 */
export function quantiles({ signal, sigma }, n) {
  const noisy = mixture.map(({ weight, mean, deviation }) => ({
    weight,
    mean: signal * mean,
    deviation: hypot(signal * deviation, sigma),
  }));
  return Float64Array.from({ length: n }, (_, i) => quantile((i + 0.5) / n, noisy));
}

/** The quantiles of n equal shares of N(0, 1): noise without chance. */
export const normalQuantiles = (n) =>
  Float32Array.from({ length: n }, (_, i) => quantile((i + 0.5) / n, [{ weight: 1, mean: 0, deviation: 1 }]));

/**
 * Root mean square, at σ = 0.3, of x from where the probability-flow equation leads from σ = 20, in so many steps of λ;
 * three levels come after it.
 * @param diffusion the `sample` and the `clean` level of the package or of its sources
 * @param scale the levels by their σ
 * @param of a function from levels to a sampler that draws no noise
 */
export async function errorAfter({ sample, clean }, scale, of, steps) {
  const levels = Array.from({ length: steps + 4 }, (_, i) => scale.at(20 * (0.3 / 20) ** (i / steps)));
  const sampler = of([...levels, clean]);
  const last = sampler.levels.map(({ sigma }) => abs(sigma - levels[steps].sigma) < 1e-9).lastIndexOf(true);
  const n = 16;
  let reached = new Float32Array();
  const onStep = ({ index, x }) => void (index + 1 === last && (reached = x.dataSync()));
  const rng = {
    normals: () => {
      throw new Error('drew noise');
    },
  };
  const xT = tf.tensor4d(Float32Array.from(quantiles(levels[0], n)), [n, 1, 1, 1]);
  tf.dispose([xT, await sample(bestDenoise, xT, { sampler, rng, onStep })]);
  const exact = quantiles(levels[steps], n);
  return sqrt(reached.reduce((sum, value, i) => sum + (value - exact[i]) ** 2, 0) / n);
}

/** Draws from the mixture: what the probability-flow equation makes of draws from N(0, 1). */
export const transported = (noise) => Float64Array.from(noise, (z) => quantile(normalBelow(z), mixture));

/**
 * The Wasserstein-1 distance of samples from the mixture: the mean distance of each from the quantile that it stands
 * for.
 */
export function wasserstein(samples) {
  const truth = quantiles({ signal: 1, sigma: 0 }, samples.length);
  const sorted = Float64Array.from(samples).sort();
  return sorted.reduce((sum, value, i) => sum + abs(value - truth[i]), 0) / sorted.length;
}

/** Where a mixture's distribution function is p, by halving. */
function quantile(p, components) {
  let [low, high] = [-1, 1].map(
    (side) => side * max(...components.map(({ mean, deviation }) => abs(mean) + 8 * deviation)),
  );
  for (let i = 0; i < 40; i++) {
    const middle = (low + high) / 2;
    const below = components.reduce(
      (sum, { weight, mean, deviation }) => sum + weight * normalBelow((middle - mean) / deviation),
      0,
    );
    if (below < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/**
 * The distribution function of N(0, 1): an expansion near 0 and a continued fraction in the tails (Abramowitz & Stegun
 * 26.2.11, 26.2.14).
 */
function normalBelow(z) {
  const density = exp((-z * z) / 2) / sqrt(2 * PI);
  if (abs(z) < 4) {
    let [term, sum] = [z, z];
    for (let k = 3; abs(term) > 1e-15; k += 2) sum += term *= (z * z) / k;
    return 0.5 + density * sum;
  }
  let fraction = 0;
  for (let k = 20; k > 0; k--) fraction = k / (abs(z) + fraction);
  const tail = density / (abs(z) + fraction);
  return z < 0 ? tail : 1 - tail;
}
