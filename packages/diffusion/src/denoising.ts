import type { Random } from '@ddpm/random';
import type { Arrays, Batch, Inputs, State, Task, Variables } from '@ddpm/train';
import { count } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs-core';
import type { DrawnLevel, LevelSource } from './levels/source';
import type { Levels } from './levels/level';
import { qSample } from './levels/level';
import type { ElementLoss } from './losses/element-loss';
import { l1 } from './losses/l1';
import type { Network } from './network';
import { checkOutput } from './network';
import { epsilon } from './parameterisations/epsilon';
import type { Parameterisation } from './parameterisations/parameterisation';
import { checkLevel } from './parameterisations/parameterisation';
import type { Weighting } from './weightings/weighting';

/**
 * The network to train, the levels it meets, and how its errors count; `network`, `parameters` and `levels` are needed.
 */
export interface DenoisingOptions {
  /** The network that is trained; examples have an `image` in [−1, 1], and a field for each condition that it names. */
  network: Network;
  /** Its variables by name, such as `namedParameters({ denoiser: network })`. */
  parameters: Variables;
  /** Which levels it meets, such as `uniform(schedule)`. */
  levels: LevelSource;
  /** The meaning of its output; `epsilon` by default. */
  parameterisation?: Parameterisation;
  /** How an error of the output counts; `l1` by default, as the tutorial's `p_losses`. */
  loss?: ElementLoss;
  /** The weight of the loss at a level; 1 by default. */
  weighting?: Weighting;
}

/**
 * Denoising as a task (Ho et al. 2020, Algorithm 1), for all levels and parameterisations: for each image a level and ε
 * ~ N(0, I), and the mean over the image's elements of the loss between the parameterisation's target and the network's
 * output at x. Its losses are `loss`, and `unweighted`, which is the same without weights.
 * @throws RangeError, when it is drawn or its loss is computed, if the examples lack a condition that the network
 * takes, a level has no signal and the parameterisation needs some, or the network's output is not shaped like x
 */
export function denoising({
  network,
  parameters,
  levels,
  parameterisation = epsilon,
  loss = l1,
  weighting = () => 1,
}: DenoisingOptions): Task {
  const { conditions = [] } = network;
  return {
    parameters,
    draw(examples: Batch, rng: Random): Batch {
      const missing = ['image', ...conditions].find((name) => !(name in examples));
      if (missing !== undefined)
        throw new RangeError(
          `denoising: the network needs '${missing}' of each example, which has only ${Object.keys(examples).join(', ')}`,
        );
      const drawn = levels.draw(count(examples), rng);
      for (const { level } of drawn) checkLevel('denoising', parameterisation, level);
      const row = (of: (drawn: DrawnLevel) => number) => ({ data: Float32Array.from(drawn, of), item: [] });
      const { data, item } = examples.image;
      return {
        image: examples.image,
        ...Object.fromEntries(conditions.map((name) => [name, examples[name]])),
        noise: { data: rng.normals(data.length), item },
        signal: row(({ level }) => level.signal),
        sigma: row(({ level }) => level.sigma),
        time: row(({ level }) => level.time),
        weight: row(({ level, weight = 1 }) => weight * weighting(level)),
        ...(levels.observe && { index: { data: Int32Array.from(drawn, ({ index = -1 }) => index), item: [] } }),
      };
    },
    loss(inputs: Inputs) {
      const [xStart, noise] = [inputs.image as tf.Tensor4D, inputs.noise as tf.Tensor4D];
      const column = (name: string) => tf.reshape<tf.Rank.R4>(inputs[name], [-1, 1, 1, 1]);
      const level: Levels = { signal: column('signal'), sigma: column('sigma'), time: inputs.time as tf.Tensor1D };
      const x = qSample(level, xStart, noise);
      const condition = Object.fromEntries(conditions.map((name) => [name, inputs[name]]));
      const output = network.apply(
        parameterisation.input?.(level, x) ?? x,
        parameterisation.told?.(level) ?? level.time,
        conditions.length > 0 ? condition : undefined,
      );
      checkOutput('denoising', x, output);
      const error = tf.sub(parameterisation.target(level, xStart, noise), output);
      const unweighted = tf.mean<tf.Tensor1D>(loss(error), [1, 2, 3]);
      return { loss: tf.mul<tf.Tensor1D>(unweighted, inputs.weight), unweighted };
    },
    ...(levels.observe && {
      observe({ index, signal, sigma, time }: Batch, losses: Arrays) {
        const level = (i: number) => ({ signal: signal.data[i], sigma: sigma.data[i], time: time.data[i] });
        levels.observe!(
          index.data as Int32Array,
          losses.get('unweighted')!.map((loss, i) => loss * weighting(level(i))),
        );
      },
    }),
    ...(levels.state && { state: () => levels.state!() }),
    ...(levels.restore && { restore: (state: State) => levels.restore!(state) }),
  };
}
