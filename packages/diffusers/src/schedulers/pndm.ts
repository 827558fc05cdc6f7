import type { Level } from '@ddpm/diffusion';
import type { SchedulerConfig } from './config';
import { levelBelow } from './ddim';
import { denoiseOf, readingOf } from './denoise';
import type { Step } from './linear';
import { linear } from './linear';
import { levelOf, trainingOf } from './schedule';
import type { Scheduler } from './scheduler';
import { wholeTimesteps } from './spacing';

/** Adams–Bashforth: how much of each output, the newest first, where so many are known. */
const bashforth = [[1], [3 / 2, -1 / 2], [23 / 12, -16 / 12, 5 / 12], [55 / 24, -59 / 24, 37 / 24, -9 / 24]];

/** A step along a mean of outputs, from a level, where x is that of so many evaluations before. */
interface Way {
  readonly from: Level;
  readonly to: Level;
  readonly back: number;
  readonly weights: readonly number[];
}

/**
 * `PNDMScheduler` (Liu et al. 2022): four-fold Runge–Kutta steps first, three of them, unless `skip_prk_steps`, and
 * then linear multistep. It goes from t to t − ⌊T/steps⌋ wherever the network is asked next.
 */
export function pndm(config: SchedulerConfig, steps: number): Scheduler {
  const { num_train_timesteps: T, prediction_type, skip_prk_steps } = config;
  const training = trainingOf(config);
  const times = wholeTimesteps(config, steps);
  const stride = Math.floor(T / steps);
  const at = (t: number) => levelBelow(config, training, t);
  const { told, ways } = (skip_prk_steps ? multistep : rungeKutta)(config, times, stride, at);
  const levels = [...told.map((t) => levelOf(training, t)), ways[ways.length - 1].to];
  const reading = readingOf(config, ['epsilon', 'v_prediction']);
  return {
    sampler: linear(
      config.className,
      levels,
      (index): Step => {
        const { from, to, back, weights } = ways[index];
        const ratio = to.signal / from.signal;
        // ε̂ of what the outputs' mean says, at the level that the step is from.
        const ofNoise = to.sigma - ratio * from.sigma;
        const [ofX, ofOutput] = prediction_type === 'epsilon' ? [0, 1] : [from.sigma, from.signal];
        const x = Array.from({ length: back + 1 }, (_, k) => (k === back ? ratio + ofNoise * ofX : 0));
        return { x, output: weights.map((weight) => weight * ofNoise * ofOutput) };
      },
      { memory: skip_prk_steps ? 5 : 13, whole: true },
    ),
    initialScale: 1,
    denoise: denoiseOf(config, { reading }),
  };
}

/** Linear multistep, whose first step is taken twice, the second time along the mean of the slopes at both its ends. */
function multistep(_: SchedulerConfig, times: readonly number[], stride: number, at: (t: number) => Level) {
  const [first, second, ...rest] = times;
  const told = times.length === 1 ? [first] : [first, second, second, ...rest];
  const ways = told.map((t, index): Way => {
    if (index === 1) return { from: at(t + stride), to: at(t), back: 1, weights: [0.5, 0.5] };
    // The evaluation at the end of the first try does not count.
    const [known, retried] = index === 0 ? [1, 0] : [Math.min(index, 4), index - 1];
    const weights = [...bashforth[known - 1]];
    if (index > 0 && retried < known) weights.splice(retried, 0, 0);
    return { from: at(t), to: at(t - stride), back: 0, weights };
  });
  return { told, ways };
}

/** Three steps of Runge–Kutta, each of four evaluations, then linear multistep from their slopes. */
function rungeKutta(config: SchedulerConfig, times: readonly number[], stride: number, at: (t: number) => Level) {
  if (times.length < 4)
    throw new RangeError(
      `schedulerFromConfig: ${config.className} without skip_prk_steps takes at least 4 steps, got ${times.length}`,
    );
  const half = Math.floor(stride / 2);
  const starts = times.slice(0, 4);
  const told: number[] = [];
  const ways: Way[] = [];
  for (let i = 0; i < 3; i++) {
    const [start, end] = [starts[i], starts[i + 1]];
    const group = [start, end + half, end + half, end];
    const slopes = [[1], [1], [1], [1 / 6, 1 / 3, 1 / 3, 1 / 6]];
    group.forEach((t, k) => {
      const to = k % 2 === 0 ? t - half : t;
      ways.push({ from: at(start), to: at(to), back: k, weights: slopes[k] });
      told.push(t);
    });
  }
  // The slopes at the beginnings of the steps are known already: 12, 8 and 4 evaluations ago at the first.
  times.slice(3).forEach((t, i) => {
    const places = Array.from({ length: 4 }, (_, k) => (k <= i ? k : i + 4 * (k - i)));
    const weights = Array<number>(places[3] + 1).fill(0);
    places.forEach((place, k) => (weights[place] = bashforth[3][k]));
    told.push(t);
    ways.push({ from: at(t), to: at(t - stride), back: 0, weights });
  });
  return { told, ways };
}
