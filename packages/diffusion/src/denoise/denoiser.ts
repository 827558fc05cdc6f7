import * as tf from '@tensorflow/tfjs-core';
import type { Level } from '../levels/level';
import { stack } from '../levels/level';
import type { AsyncNetworkFunction, Condition, Network } from '../network';
import { epsilon } from '../parameterisations/epsilon';
import type { Parameterisation } from '../parameterisations/parameterisation';
import { checkLevel, checkOutput } from '../parameterisations/parameterisation';
import type { Denoise } from './denoise';
import { immediate } from './denoise';

/**
 * A network as a `Denoise`, by what its output means; `epsilon` by default.
 * @param options.condition what the network is given beside x at every call; the caller keeps it
 * @throws RangeError if the condition is not what the network takes, and, when called, if its output has not
 * the shape that the parameterisation wants, or the level has no signal and the parameterisation needs some
 */
export function denoiser(
  network: Network | AsyncNetworkFunction,
  { parameterisation = epsilon, condition }: { parameterisation?: Parameterisation; condition?: Condition } = {},
): Denoise {
  if (typeof network !== 'function') checkCondition('denoiser', network, condition);
  /** All that the network is given at a level, and what turns its output into x̂_0. */
  const open = (x: tf.Tensor4D, level: Level) => {
    checkLevel('denoiser', parameterisation, level);
    const levels = stack(Array.from({ length: x.shape[0] }, () => level));
    // Eager backends multiply by a number many times faster than by a column of them.
    const all = { signal: tf.scalar(level.signal), sigma: tf.scalar(level.sigma), time: levels.time };
    const input = parameterisation.input?.(all, x);
    const told = parameterisation.told?.(levels);
    return {
      inputs: [input ?? x, told ?? levels.time, condition] as const,
      read(output: tf.Tensor4D) {
        checkOutput('denoiser', parameterisation, x, output);
        return parameterisation.predict(all, x, output);
      },
      free: (output?: tf.Tensor4D) => tf.dispose([Object.values(levels), Object.values(all), input, told, output]),
    };
  };
  if (typeof network !== 'function')
    return immediate((x, level) => {
      const call = open(x, level);
      let output: tf.Tensor4D | undefined;
      try {
        output = tf.tidy(() => network.apply(...call.inputs));
        return call.read(output);
      } finally {
        call.free(output);
      }
    });
  return async (x, level) => {
    const call = open(x, level);
    let output: tf.Tensor4D | undefined;
    try {
      output = await network(...call.inputs);
      return call.read(output);
    } finally {
      call.free(output);
    }
  };
}

/**
 * @param who what the error begins with
 * @throws RangeError unless a condition has the names that the network takes
 */
export function checkCondition(
  who: string,
  { conditions = [] }: Pick<Network, 'conditions'>,
  condition: Readonly<Record<string, unknown>> = {},
): void {
  const list = (names: readonly string[]) => names.join(', ') || 'none';
  const given = Object.keys(condition);
  if ([...given].sort().join() !== [...conditions].sort().join())
    throw new RangeError(`${who}: the network takes the conditions ${list(conditions)}, and was given ${list(given)}`);
}
