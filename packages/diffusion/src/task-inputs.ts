import type { Random } from '@ddpm/random';
import type { Batch, Inputs, Rows } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs-core';
import type { Level, Levels } from './levels/level';
import type { Condition, Network } from './network';
import type { Parameterisation } from './parameterisations/parameterisation';
import { checkOutput } from './parameterisations/parameterisation';

/**
 * The images and conditions of examples.
 * @throws RangeError if one that the network takes is missing
 */
export function conditioned(who: string, { conditions = [] }: Network, examples: Batch): Batch {
  const missing = ['image', ...conditions].find((name) => !(name in examples));
  if (missing !== undefined)
    throw new RangeError(
      `${who}: the network needs '${missing}' of each example, which has only ${Object.keys(examples).join(', ')}`,
    );
  return Object.fromEntries(['image', ...conditions].map((name) => [name, examples[name]]));
}

/** Inputs of a network in training alone, drawn for n images of a shape. */
export const drawnInputs = (network: Network, image: readonly number[], n: number, rng: Random): Batch =>
  Object.fromEntries(
    Object.entries(network.trainingInputs?.(image) ?? {}).map(([name, input]) => [
      name,
      { data: input.draw(rng, n * tf.util.sizeFromShape([...input.item])), item: input.item },
    ]),
  );

/** A number of each example. */
export const column = <T>(of: readonly T[], value: (each: T) => number): Rows => ({
  data: Float32Array.from(of, value),
  item: [],
});

/** Levels as fields of a batch, by names that begin with a word. */
export const levelFields = (name: string, levels: readonly Level[]): Batch => ({
  [`${name}Signal`]: column(levels, ({ signal }) => signal),
  [`${name}Sigma`]: column(levels, ({ sigma }) => sigma),
  [`${name}Time`]: column(levels, ({ time }) => time),
});

/** The levels that `levelFields` put there. */
export function levelsOf(name: string, inputs: Inputs): Levels {
  const factor = (of: string) => tf.reshape<tf.Rank.R4>(inputs[`${name}${of}`], [-1, 1, 1, 1]);
  return { signal: factor('Signal'), sigma: factor('Sigma'), time: inputs[`${name}Time`] as tf.Tensor1D };
}

/** x̂_0 of images that are each at a level of their own. */
export function predicted(
  who: string,
  network: Network,
  parameterisation: Parameterisation,
  x: tf.Tensor4D,
  { level, condition }: { level: Levels; condition: Condition },
): tf.Tensor4D {
  const output = network.apply(
    parameterisation.input?.(level, x) ?? x,
    parameterisation.told?.(level) ?? level.time,
    Object.keys(condition).length > 0 ? condition : undefined,
  );
  checkOutput(who, parameterisation, x, output);
  return parameterisation.predict(level, x, output).x0;
}
