import * as tf from '@tensorflow/tfjs-core';
import type { Level } from '../levels/level';
import type { AsyncNetworkFunction, Condition, Network } from '../network';
import { epsilon } from '../parameterisations/epsilon';
import type { Parameterisation } from '../parameterisations/parameterisation';
import { checkOutput, outputParts } from '../parameterisations/parameterisation';
import type { Denoise } from './denoise';
import { immediate } from './denoise';
import { checkCondition, denoiser } from './denoiser';

/** How to guide; `condition`, `none` and `scale` are needed. */
export interface GuidedOptions {
  /** Inputs of the network beside x, such as `label` [n] int32; the caller keeps them. */
  condition: Condition;
  /**
   * The same of the same shapes for no condition at all, as label dropout taught it: `label` is the number of classes
   * in every row.
   */
  none: Condition;
  /**
   * s: 1 is the conditional network, 0 the unconditional one, and above 1 the condition counts for more. The papers' w
   * is often s − 1.
   */
  scale: number;
  /** The meaning of the network's output; `epsilon` by default. */
  parameterisation?: Parameterisation;
  /**
   * φ, how far the output's deviation is brought back to that of the conditional one (Lin et al. 2024, §3.4; they use
   * 0.7); 0 by default.
   */
  rescale?: number;
  /**
   * Where guidance takes place: above the first and up to the second σ = sigma/signal (Kynkäänniemi et al. 2024).
   * Elsewhere the network is conditional alone. Everywhere by default.
   */
  interval?: readonly [low: number, high: number];
}

/**
 * Classifier-free guidance (Ho & Salimans 2022): the network's output becomes u + s·(c − u), c with and u without the
 * condition, from one call with a batch of the conditional rows and then the unconditional ones. Where s is 1 or 0,
 * only what is needed is called, so that the result is that of `denoiser` with that condition to the bit, `rescale` or
 * not. A learned variance is that with the condition.
 * @throws RangeError if the options do not fit, or the condition is not what the network takes; and when called, as
 * `denoiser`
 */
export function guided(
  network: Network | AsyncNetworkFunction,
  { condition, none, scale, parameterisation = epsilon, rescale = 0, interval = [0, Infinity] }: GuidedOptions,
): Denoise {
  const shapes = (of: Condition) => Object.entries(of).map(([name, { shape }]) => `${name} [${shape.join(', ')}]`);
  const [asked, without] = [shapes(condition), shapes(none)].map((list) => list.sort().join(', ') || 'nothing');
  if (typeof network !== 'function') checkCondition('guided', network, condition);
  if (asked !== without)
    throw new RangeError(`guided: condition and none must have the same names and shapes, got ${asked} and ${without}`);
  if (!Number.isFinite(scale)) throw new RangeError(`guided: scale must be a number, got ${scale}`);
  if (!(rescale >= 0 && rescale <= 1)) throw new RangeError(`guided: rescale must be from 0 to 1, got ${rescale}`);
  const [low, high] = interval;
  if (!(low >= 0 && high >= low))
    throw new RangeError(`guided: interval must be two σ, the lower first, got ${low} and ${high}`);

  const conditional = denoiser(network, { parameterisation, condition });
  const unconditional = denoiser(network, { parameterisation, condition: none });
  const mixed = denoiser(mixing(network, none, { scale, rescale, parameterisation }), { parameterisation, condition });
  const at = (level: Level) => {
    const sigma = level.sigma / level.signal;
    const s = sigma > low && sigma <= high ? scale : 1;
    return s === 1 ? conditional : s === 0 ? unconditional : mixed;
  };
  return typeof network === 'function'
    ? (x, level) => at(level)(x, level)
    : immediate((x, level) => at(level).now!(x, level));
}

/** A network whose output is mixed of two. */
function mixing(
  network: Network | AsyncNetworkFunction,
  none: Condition,
  { scale, rescale, parameterisation }: { scale: number; rescale: number; parameterisation: Parameterisation },
): Network | AsyncNetworkFunction {
  const doubled = (x: tf.Tensor4D, told: tf.Tensor1D, condition: Condition = {}) =>
    tf.tidy(() => ({
      x: tf.concat([x, x]),
      told: tf.concat([told, told]),
      condition: Object.fromEntries(
        Object.entries(condition).map(([name, given]) => [name, tf.concat([given, none[name]])]),
      ),
    }));
  const mix = (x: tf.Tensor4D, rows: tf.Tensor4D) => {
    checkOutput('guided', parameterisation, x, rows);
    return tf.tidy(() => {
      const [conditional, unconditional] = tf.split<tf.Tensor4D>(rows, 2);
      const [c, variance] = outputParts(parameterisation, conditional);
      const [u] = outputParts(parameterisation, unconditional);
      const guidedOutput = tf.add<tf.Tensor4D>(u, tf.mul(tf.sub(c, u), scale));
      const whole = (main: tf.Tensor4D) => (variance ? tf.concat([main, variance], 3) : main);
      if (rescale === 0) return whole(guidedOutput);
      const deviation = (of: tf.Tensor) => tf.sqrt(tf.moments(of, [1, 2, 3], true).variance);
      const factor = tf.add(tf.mul(tf.div(deviation(c), deviation(guidedOutput)), rescale), 1 - rescale);
      return whole(tf.mul(guidedOutput, factor));
    });
  };
  if (typeof network !== 'function')
    return {
      conditions: network.conditions,
      apply: (...inputs) =>
        tf.tidy(() => {
          const both = doubled(...inputs);
          return mix(both.x, network.apply(both.x, both.told, both.condition));
        }),
    };
  return async (...inputs) => {
    const both = doubled(...inputs);
    let rows: tf.Tensor4D | undefined;
    try {
      rows = await network(both.x, both.told, both.condition);
      return mix(both.x, rows);
    } finally {
      tf.dispose([both, rows]);
    }
  };
}
