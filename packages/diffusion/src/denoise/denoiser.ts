import * as tf from '@tensorflow/tfjs-core';
import { stack } from '../levels/level';
import type { AsyncNetworkFunction, Condition, Network } from '../network';
import { runNetwork } from '../network';
import { epsilon } from '../parameterisations/epsilon';
import type { Parameterisation } from '../parameterisations/parameterisation';
import { checkLevel, checkOutput } from '../parameterisations/parameterisation';
import type { Denoise } from './denoise';

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
  return async (x, level) => {
    checkLevel('denoiser', parameterisation, level);
    const levels = stack(Array.from({ length: x.shape[0] }, () => level));
    // Eager backends multiply by a number many times faster than by a column of them.
    const all = { signal: tf.scalar(level.signal), sigma: tf.scalar(level.sigma), time: levels.time };
    const input = parameterisation.input?.(all, x);
    const told = parameterisation.told?.(levels);
    let output: tf.Tensor4D | undefined;
    try {
      output = await runNetwork(network, input ?? x, told ?? levels.time, condition);
      checkOutput('denoiser', parameterisation, x, output);
      return parameterisation.predict(all, x, output);
    } finally {
      tf.dispose([Object.values(levels), Object.values(all), input, told, output]);
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
