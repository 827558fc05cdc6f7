import type {
  AsyncNetworkFunction,
  Condition,
  Evaluation,
  Level,
  Network,
  NetworkFunction,
  Prediction,
} from '@ddpm/diffusion';
import { checkCondition, thresholded } from '@ddpm/diffusion';
import * as tf from '@tensorflow/tfjs-core';
import type { SchedulerConfig } from './config';
import { oneOf, refuse } from './config';
import type { Scheduler } from './scheduler';

/** x̂_0 as the sampler is given it, with what the network said. */
export interface SchedulerPrediction extends Prediction {
  /** The network's output [n, h, w, c]. */
  readonly output: tf.Tensor4D;
  /** Where it learned a variance, the other half of what it said. */
  readonly spread?: tf.Tensor4D;
}

/** x̂_0 = (x·ofX + output·ofOutput)/over, at a level. */
export interface Reading {
  readonly ofX: number;
  readonly ofOutput: number;
  readonly over: number;
}

/** How a prediction type is read. v is that of x scaled to signal² + sigma² = 1. */
export const readings: Readonly<Record<string, (level: Level) => Reading>> = {
  epsilon: ({ signal, sigma }) => ({ ofX: 1, ofOutput: -sigma, over: signal }),
  sample: () => ({ ofX: 0, ofOutput: 1, over: 1 }),
  v_prediction: ({ signal, sigma }) => {
    const size = Math.hypot(signal, sigma);
    return { ofX: signal / size, ofOutput: -sigma, over: size };
  },
  flow_prediction: ({ sigma }) => ({ ofX: 1, ofOutput: -sigma, over: 1 }),
};

/**
 * How a config's prediction type is read.
 * @param carried those of its class
 */
export function readingOf(config: SchedulerConfig, carried: string[]): (level: Level) => Reading {
  oneOf(config, 'prediction_type', ...carried);
  return readings[config.prediction_type];
}

/**
 * ε̂ of an evaluation as diffusers takes it: by the network's output, even where x̂_0 was clipped, but by x̂_0 where it was
 * thresholded. In its order of operations, since steps that predict ε multiply what float32 rounds.
 */
export function noiseOf({ className, prediction_type, thresholding }: SchedulerConfig) {
  return (evaluation: Evaluation): tf.Tensor4D => {
    const { x, x0, level } = evaluation;
    const { signal, sigma } = level;
    if (thresholding) return tf.div(tf.sub(x, tf.mul(x0, signal)), sigma);
    const output = outputOf(className, evaluation);
    if (prediction_type === 'epsilon') return output;
    return prediction_type === 'v_prediction'
      ? tf.add(tf.mul(output, signal), tf.mul(x, sigma))
      : tf.div(tf.sub(x, tf.mul(output, signal)), sigma);
  };
}

/**
 * The network's output at an evaluation.
 * @throws RangeError if the evaluation does not hold it
 */
export function outputOf(who: string, evaluation: Evaluation): tf.Tensor4D {
  const { output } = evaluation as Evaluation & Partial<SchedulerPrediction>;
  if (!output) throw new RangeError(`${who}: its sampler needs the Denoise that the scheduler's own denoise makes`);
  return output;
}

/** @throws RangeError if ε is asked for where nothing is left of the image, and x̂_0 is not at least clipped */
export function checkSignal(config: SchedulerConfig, { signal }: Level): void {
  if (signal === 0 && config.prediction_type === 'epsilon' && (!config.clip_sample || config.thresholding))
    refuse(config, 'prediction_type', 'where the first timestep is noise alone, but sample and v_prediction');
}

/** The meaning of a network's output for a scheduler, as `denoise` needs it. */
export interface Meaning {
  readonly reading: (level: Level) => Reading;
  /** The factor of x for the network; 1 by default. */
  readonly inputScale?: (level: Level) => number;
  /** Whether the network's output has twice as many channels, for a variance. */
  readonly learned?: boolean;
}

/** x scaled to signal² + sigma² = 1. */
export const toUnit = ({ signal, sigma }: Level): number => 1 / Math.hypot(signal, sigma);

/** `Scheduler.denoise`, with the config's clipping or thresholding. */
export function denoiseOf(
  { className, ...config }: SchedulerConfig,
  { reading, inputScale = () => 1, learned = false }: Meaning,
): Scheduler['denoise'] {
  const { clip_sample: clip = false, clip_sample_range: range, thresholding = false } = config;
  return (network, { condition } = {}) => {
    if (typeof network !== 'function') checkCondition(className, network, condition);
    const denoise = async (x: tf.Tensor4D, level: Level): Promise<SchedulerPrediction> => {
      const [input, told] = tf.tidy(() => [
        inputScale(level) === 1 ? tf.clone(x) : tf.mul<tf.Tensor4D>(x, inputScale(level)),
        tf.fill<tf.Rank.R1>([x.shape[0]], level.time),
      ]);
      let said: tf.Tensor4D | undefined;
      try {
        said = await run(network, input, told, condition);
        const whole = said;
        return tf.tidy(() => {
          const [output, spread] = halves(className, x, whole, learned);
          const { ofX, ofOutput, over } = reading(level);
          const of = (tensor: tf.Tensor4D, factor: number) =>
            factor === 0 ? [] : factor === 1 ? [tensor] : [tf.mul<tf.Tensor4D>(tensor, factor)];
          const sum = tf.addN<tf.Tensor4D>([...of(x, ofX), ...of(output, ofOutput)]);
          const image = over === 1 ? sum : tf.div<tf.Tensor4D>(sum, over);
          const x0 = clip && !thresholding ? tf.clipByValue(image, -range, range) : image;
          return { x0: tf.clone(x0), output, ...(spread && { spread }) };
        });
      } finally {
        tf.dispose([input, told, said]);
      }
    };
    return thresholding
      ? thresholded(denoise, { quantile: config.dynamic_thresholding_ratio, max: config.sample_max_value })
      : denoise;
  };
}

/** A network's output, wherever it runs. */
async function run(
  network: Network | NetworkFunction | AsyncNetworkFunction,
  ...inputs: [tf.Tensor4D, tf.Tensor1D, Condition?]
): Promise<tf.Tensor4D> {
  return typeof network === 'function' ? network(...inputs) : tf.tidy(() => network.apply(...inputs));
}

/**
 * A network's output in two: the mean's channels, and the variance's where it is learned.
 * @throws RangeError unless it is shaped like x, with twice the channels where a variance is learned
 */
function halves(who: string, x: tf.Tensor4D, said: tf.Tensor4D, learned: boolean): tf.Tensor4D[] {
  const [n, h, w, c] = x.shape;
  const expected = [n, h, w, learned ? 2 * c : c];
  if (said.shape.join() !== expected.join())
    throw new RangeError(
      `${who}: the network's output should be [${expected.join(', ')}]${learned ? ', the variance included' : ''}, not [${said.shape.join(', ')}]`,
    );
  return learned ? tf.split(said, 2, 3) : [tf.clone(said)];
}
