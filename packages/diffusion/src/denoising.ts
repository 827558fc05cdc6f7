import type { Random } from '@ddpm/random';
import type { Arrays, Batch, Inputs, Losses, State, Task, Variables } from '@ddpm/train';
import { count } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs-core';
import type { DrawnLevel, LevelSource } from './levels/source';
import type { Level, Levels } from './levels/level';
import { qSample } from './levels/level';
import type { Bound } from './likelihood/bound';
import type { BoundStep } from './likelihood/bound-term';
import { boundSteps, boundTerm } from './likelihood/bound-term';
import { detached } from './likelihood/detached';
import type { ElementLoss } from './losses/element-loss';
import { l1 } from './losses/l1';
import type { Network } from './network';
import { epsilon } from './parameterisations/epsilon';
import type { Parameterisation } from './parameterisations/parameterisation';
import { checkLevel, checkOutput, outputParts } from './parameterisations/parameterisation';
import { column, conditioned, drawnInputs } from './task-inputs';
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
  /** Whether the network is measured as it is used, without its `trainingInputs`; false by default. */
  evaluation?: boolean;
  /** L_vlb beside it, `hybrid(…)`, which a learned variance needs, or alone, `vlb(…)`; none by default. */
  bound?: Bound;
}

/**
 * Denoising as a task (Ho et al. 2020, Algorithm 1), for all levels and parameterisations: for each image a level and ε
 * ~ N(0, I), and the mean over the image's elements of the loss between the parameterisation's target and the network's
 * output at x. Its losses are `loss`; `simple`, which is that mean without weights; and where there is a bound `vlb`,
 * what the image says of L_vlb: T·L_t in bits per dimension.
 * @throws RangeError if a hybrid loss has no variance to learn, or a weighting nothing to weigh; and, when it is drawn
 * or its loss is computed, if the examples lack a condition that the network takes, a level has no signal and the
 * parameterisation needs some, the bound has no such level, or the network's output has not the shape that the
 * parameterisation wants
 */
export function denoising({
  network,
  parameters,
  levels,
  parameterisation = epsilon,
  loss = l1,
  weighting,
  evaluation = false,
  bound,
}: DenoisingOptions): Task {
  const { conditions = [] } = network;
  const trainingInputs = (image: readonly number[]) => (evaluation ? {} : (network.trainingInputs?.(image) ?? {}));
  if (bound && !bound.alone && parameterisation.variance === undefined)
    throw new RangeError(
      `denoising: a hybrid loss trains a learned variance, and '${parameterisation.name}' has none; learnedRange(${parameterisation.name}) does`,
    );
  if (bound?.alone && weighting)
    throw new RangeError('denoising: a weighting is of L_simple, which has no part in L_vlb alone');
  const stepAt = bound && stepsByTime(bound);
  /** The weights of L_simple and L_vlb at a level. */
  const counts = (level: Level) => ({
    simple: bound?.alone ? 0 : (weighting?.(level) ?? 1),
    vlb: bound?.lambda ?? 0,
  });
  return {
    parameters,
    draw(examples: Batch, rng: Random): Batch {
      const given = conditioned('denoising', network, examples);
      const drawn = levels.draw(count(examples), rng);
      for (const { level } of drawn) checkLevel('denoising', parameterisation, level);
      const row = (of: (drawn: DrawnLevel) => number) => column(drawn, of);
      const { data, item } = examples.image;
      return {
        ...given,
        noise: { data: rng.normals(data.length), item },
        signal: row(({ level }) => level.signal),
        sigma: row(({ level }) => level.sigma),
        time: row(({ level }) => level.time),
        weight: row(({ level, weight = 1 }) => weight * counts(level).simple),
        ...(stepAt && {
          boundWeight: row(({ level, weight = 1 }) => weight * counts(level).vlb),
          fromStart: row(({ level }) => stepAt(level).fromStart),
          lower: row(({ level }) => stepAt(level).lower),
          span: row(({ level }) => stepAt(level).span),
          last: row(({ level }) => stepAt(level).last),
        }),
        ...(levels.observe && { index: { data: Int32Array.from(drawn, ({ index = -1 }) => index), item: [] } }),
        ...(!evaluation && drawnInputs(network, item, drawn.length, rng)),
      };
    },
    loss(inputs: Inputs): Losses {
      const [xStart, noise] = [inputs.image as tf.Tensor4D, inputs.noise as tf.Tensor4D];
      const factor = (name: string) => tf.reshape<tf.Rank.R4>(inputs[name], [-1, 1, 1, 1]);
      const level: Levels = { signal: factor('signal'), sigma: factor('sigma'), time: inputs.time as tf.Tensor1D };
      const x = qSample(level, xStart, noise);
      const given = [...conditions, ...Object.keys(trainingInputs(xStart.shape.slice(1)))];
      const condition = Object.fromEntries(given.map((name) => [name, inputs[name]]));
      const output = network.apply(
        parameterisation.input?.(level, x) ?? x,
        parameterisation.told?.(level) ?? level.time,
        given.length > 0 ? condition : undefined,
      );
      checkOutput('denoising', parameterisation, x, output);
      const [main, values] = outputParts(parameterisation, output);
      const error = tf.sub(parameterisation.target(level, xStart, noise), main);
      const simple = tf.mean<tf.Tensor1D>(loss(error), [1, 2, 3]);
      const weighted = tf.mul<tf.Tensor1D>(simple, inputs.weight);
      if (!bound) return { loss: weighted, simple };
      const steps = {
        fromStart: factor('fromStart'),
        lower: factor('lower'),
        span: factor('span'),
        last: factor('last'),
      };
      const said = bound.alone ? output : tf.concat([detached(main), values!], 3);
      const term = boundTerm(steps, xStart, parameterisation.predict(level, x, said), bound.variance);
      const estimate = tf.mul<tf.Tensor1D>(tf.mean<tf.Tensor1D>(term, [1, 2, 3]), bound.levels.length - 1);
      const weightedBound = tf.mul<tf.Tensor1D>(estimate, inputs.boundWeight);
      return {
        loss: bound.alone ? weightedBound : tf.add<tf.Tensor1D>(weighted, weightedBound),
        simple,
        vlb: estimate,
      };
    },
    ...(levels.observe && {
      observe({ index, signal, sigma, time }: Batch, losses: Arrays) {
        const [simple, estimate] = [losses.get('simple')!, losses.get('vlb')];
        levels.observe!(
          index.data as Int32Array,
          Float64Array.from(simple, (value, i) => {
            const counted = counts({ signal: signal.data[i], sigma: sigma.data[i], time: time.data[i] });
            return counted.simple * value + (estimate ? counted.vlb * estimate[i] : 0);
          }),
        );
      },
    }),
    ...(levels.state && { state: () => levels.state!() }),
    ...(levels.restore && { restore: (state: State) => levels.restore!(state) }),
  };
}

/** The step of a bound's chain that begins at a level, which is known by its time. */
function stepsByTime({ levels }: Bound): (level: Level) => BoundStep {
  const steps = boundSteps('denoising', levels);
  const byTime = new Map(steps.map((step, i) => [levels[i].time, step]));
  return ({ time }) => {
    const step = byTime.get(time);
    if (!step) throw new RangeError(`denoising: the bound has no level at time ${time}, which was drawn for an image`);
    return step;
  };
}
