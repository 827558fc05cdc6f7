/**
 * The forward process q(x_t | x_0) = N(√ᾱ_t x_0, (1 − ᾱ_t) I) for t = 0 … T − 1 (Ho et al. 2020, §2), with every
 * coefficient that training and sampling need. Each array has one float64 for each t. Treat it as immutable.
 */
export interface NoiseSchedule {
  /** T, the number of noise levels. */
  readonly timesteps: number;
  /** β_t, the variance added at step t; the last may be 1, which leaves nothing of the image. */
  readonly betas: Float64Array;
  /** α_t = 1 − β_t. */
  readonly alphas: Float64Array;
  /** ᾱ_t = ∏_{s ≤ t} α_s. */
  readonly alphasCumprod: Float64Array;
  /** ᾱ_{t−1}, with ᾱ_{−1} = 1. */
  readonly alphasCumprodPrev: Float64Array;
  /** √ᾱ_t, the share of the image in x_t. */
  readonly sqrtAlphasCumprod: Float64Array;
  /** √(1 − ᾱ_t), the standard deviation of the noise in x_t. */
  readonly sqrtOneMinusAlphasCumprod: Float64Array;
  /** β̃_t = β_t (1 − ᾱ_{t−1}) / (1 − ᾱ_t), the variance of q(x_{t−1} | x_t, x_0) (Ho et al. 2020, eq. 7). */
  readonly posteriorVariance: Float64Array;
}

/**
 * Derives a schedule from its β_t.
 * @param betas each between 0 and 1; the last may be 1, so that ᾱ_T = 0 and x_T is noise alone
 * @throws RangeError if there is no β, or one lies elsewhere
 */
export function scheduleFromBetas(betas: ArrayLike<number>): NoiseSchedule {
  const beta = Float64Array.from(betas);
  if (beta.length === 0) throw new RangeError('scheduleFromBetas: at least one β is needed, got none');
  const wrong = beta.findIndex((b, t) => !(b > 0 && (b < 1 || (b === 1 && t === beta.length - 1))));
  if (wrong >= 0)
    throw new RangeError(`scheduleFromBetas: every β must lie between 0 and 1, got ${beta[wrong]} at t = ${wrong}`);

  const alphas = beta.map((b) => 1 - b);
  let product = 1;
  const alphasCumprod = alphas.map((alpha) => (product *= alpha));
  const alphasCumprodPrev = Float64Array.of(1, ...alphasCumprod.subarray(0, -1));
  return {
    timesteps: beta.length,
    betas: beta,
    alphas,
    alphasCumprod,
    alphasCumprodPrev,
    sqrtAlphasCumprod: alphasCumprod.map(Math.sqrt),
    sqrtOneMinusAlphasCumprod: alphasCumprod.map((alphaBar) => Math.sqrt(1 - alphaBar)),
    posteriorVariance: beta.map((b, t) => (b * (1 - alphasCumprodPrev[t])) / (1 - alphasCumprod[t])),
  };
}

/**
 * SNR(t) = ᾱ_t / (1 − ᾱ_t) (Kingma et al. 2021, "Variational Diffusion Models", §3.1): one float64 for each t, falling.
 * @param schedule any
 */
export function signalToNoise({ alphasCumprod }: NoiseSchedule): Float64Array {
  return alphasCumprod.map((alphaBar) => alphaBar / (1 - alphaBar));
}
