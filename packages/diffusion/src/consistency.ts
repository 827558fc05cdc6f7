import type { Random } from '@ddpm/random';
import type { Batch, Inputs, Losses, State, Task, Variables } from '@ddpm/train';
import { count } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs-core';
import type { Clock } from './levels/clock';
import { qSample } from './levels/level';
import type { LevelSource } from './levels/source';
import type { Network } from './network';
import { epsilon } from './parameterisations/epsilon';
import type { Parameterisation } from './parameterisations/parameterisation';
import { checkLevel } from './parameterisations/parameterisation';
import { column, conditioned, drawnInputs, levelFields, levelsOf, predicted } from './task-inputs';
import { withoutGradient } from './without-gradient';

/** The denoiser to tune, and its levels; `network`, `parameters`, `levels` and `clock` are needed. */
export interface ConsistencyOptions {
  /** The network, which begins with the weights of a denoiser. */
  network: Network;
  /** Its variables by name. */
  parameters: Variables;
  /** Which levels t it meets. */
  levels: LevelSource;
  /** The time of a level, by which the distance to another is measured. */
  clock: Clock;
  /** The meaning of its output; `epsilon` by default. */
  parameterisation?: Parameterisation;
  /** How much closer to t the target is in each stage; 2 by default. */
  q?: number;
  /** How many training steps a stage takes; there is one stage alone by default. */
  every?: number;
  /** How much farther from t it is where there is little noise, n(t) = 1 + k·sigmoid(−b·σ); 8 by default. */
  k?: number;
  /** How fast that ends as σ grows; 1 by default. */
  b?: number;
  /** Where the pseudo-Huber loss turns from squares to magnitudes; 0.00054 by default. */
  c?: number;
}

/**
 * Easy consistency tuning (Geng et al. 2024) as a task: of x_t and x_r, the same image with the same noise at two levels
 * r < t, x̂_0 is to be the same. That at r, which no gradient passes through, is the target for that at t; where r is the
 * image itself, that is the target, so that the first stages are little else than denoising. By the clock's time
 * r = t·(1 − n(t)/q^(stage + 1)), at least 0, where n(t) = 1 + k·sigmoid(−b·σ) and σ = sigma/signal. The loss is
 * √(‖e‖² + c²) − c of the error's root mean square, divided by t − r. Training inputs, such as what dropout drops, are the
 * same for both. The stage is part of the state.
 * @throws RangeError unless q is above 1; and, when it is drawn or its loss is computed, as `denoising` does
 */
export function consistency({
  network,
  parameters,
  levels,
  clock,
  parameterisation = epsilon,
  q = 2,
  every = Infinity,
  k = 8,
  b = 1,
  c = 0.00054,
}: ConsistencyOptions): Task {
  if (!(q > 1)) throw new RangeError(`consistency: q must be above 1, got ${q}`);
  const { conditions = [] } = network;
  let taken = 0;
  return {
    parameters,
    draw(examples: Batch, rng: Random): Batch {
      const given = conditioned('consistency', network, examples);
      const { data, item } = examples.image;
      const n = count(examples);
      const drawn = levels.draw(n, rng);
      const shrunk = q ** -(Math.floor(taken / every) + 1);
      const pairs = drawn.map(({ level, weight = 1 }) => {
        checkLevel('consistency', parameterisation, level);
        const t = clock.of(level);
        const adjust = 1 + k / (1 + Math.exp((b * level.sigma) / level.signal));
        const to = clock.at(Math.max(0, t * (1 - shrunk * adjust)));
        return { level, to, weight: weight / (t - (to.sigma > 0 ? clock.of(to) : 0)) };
      });
      return {
        ...given,
        noise: { data: rng.normals(data.length), item },
        ...levelFields(
          'from',
          pairs.map(({ level }) => level),
        ),
        // What the network says of the image itself is not asked; where it would be, it is asked of t instead.
        ...levelFields(
          'to',
          pairs.map(({ level, to }) => (to.sigma > 0 ? to : level)),
        ),
        known: column(pairs, ({ to }) => (to.sigma > 0 ? 0 : 1)),
        weight: column(pairs, ({ weight }) => weight),
        ...drawnInputs(network, item, n, rng),
      };
    },
    loss(inputs: Inputs): Losses {
      const [xStart, noise] = [inputs.image as tf.Tensor4D, inputs.noise as tf.Tensor4D];
      const names = [...conditions, ...Object.keys(network.trainingInputs?.(xStart.shape.slice(1)) ?? {})];
      const condition = Object.fromEntries(names.map((name) => [name, inputs[name]]));
      const at = (name: string) => {
        const level = levelsOf(name, inputs);
        const x = qSample(level, xStart, noise);
        return predicted('consistency', network, parameterisation, x, { level, condition });
      };
      const known = tf.reshape<tf.Rank.R4>(inputs.known, [-1, 1, 1, 1]);
      const target = withoutGradient(() => {
        const said = at('to');
        return tf.add<tf.Tensor4D>(said, tf.mul(known, tf.sub(xStart, said)));
      });
      const error = tf.mean<tf.Tensor1D>(tf.square(tf.sub(at('from'), target)), [1, 2, 3]);
      const simple = tf.div<tf.Tensor1D>(error, tf.add(tf.sqrt(tf.add(error, c ** 2)), c));
      return { loss: tf.mul<tf.Tensor1D>(simple, inputs.weight), simple };
    },
    observe: () => void taken++,
    state: (): State => new Map([['taken', Int32Array.of(taken)]]),
    restore: (state: State) => void ([taken] = state.get('taken')!),
  };
}
