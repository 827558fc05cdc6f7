import type { Random } from '@ddpm/random';
import type { Arrays, Batch, Inputs, Losses, State, Task, Variables } from '@ddpm/train';
import { count } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs-core';
import type { Level, Levels } from './levels/level';
import { qSample, signalToNoise } from './levels/level';
import type { Network } from './network';
import { epsilon } from './parameterisations/epsilon';
import type { Parameterisation } from './parameterisations/parameterisation';
import { checkLevel } from './parameterisations/parameterisation';
import { column, conditioned, drawnInputs, levelFields, levelsOf, predicted } from './task-inputs';
import { withoutGradient } from './without-gradient';

/** The student, its teacher, and their steps; all but `parameterisation`, `halvings`, `every` and `clip` are needed. */
export interface DistillationOptions {
  /** The student, which begins with the teacher's weights. */
  network: Network;
  /** Its variables by name, which are trained. */
  parameters: Variables;
  /** The teacher: a network like the student. */
  teacher: Network;
  /** Its variables by the same names as the student's; they are not trained. */
  teacherParameters: Variables;
  /**
   * The levels of so many steps, from noise to the image, such as `(steps) => trailing(schedule, steps)`; every other
   * level of 2n steps is one of n.
   */
  levels: (steps: number) => readonly Level[];
  /** How many steps the teacher takes in the beginning. */
  teacherSteps: number;
  /** The meaning of both outputs; `epsilon` by default. */
  parameterisation?: Parameterisation;
  /** How often the number of steps is halved: the student of one halving is the teacher of the next; 1 by default. */
  halvings?: number;
  /** How many training steps a halving takes, but for the last, which has no end. */
  every?: number;
  /** Whether the teacher's x̂_0 is kept within [−1, 1], as in drawing; it is by default. */
  clip?: boolean;
}

/**
 * Progressive distillation (Salimans & Ho 2022, Algorithm 2) as a task: the student learns to take in one step of DDIM
 * where its teacher takes two. From z_t the teacher's steps lead by z_t' to z_t'', and the x̃ by which one step leads
 * there, x̃ = (z_t'' − (σ''/σ) z_t)/(α'' − (σ''/σ) α), is the target: ‖x̃ − x̂‖² counts max(SNR, 1), their truncated SNR.
 * No gradient passes through the teacher. After `every` steps the student's weights to use become the teacher's, and
 * the steps are halved again, so that 2^halvings of the first teacher's steps become one. Which halving it is, and the
 * teacher, are part of the state.
 * @throws RangeError if the teacher's steps cannot be halved so often, or its variables are not those of the student;
 * and, when it is drawn or its loss is computed, as `denoising` does
 */
export function distillation({
  network,
  parameters,
  teacher,
  teacherParameters,
  levels,
  teacherSteps,
  parameterisation = epsilon,
  halvings = 1,
  every = Infinity,
  clip = true,
}: DistillationOptions): Task {
  const { conditions = [] } = network;
  if (!Number.isInteger(halvings) || halvings < 1 || !Number.isInteger(teacherSteps / 2 ** halvings))
    throw new RangeError(`distillation: ${teacherSteps} steps cannot be halved ${halvings} times`);
  for (const [name, { shape }] of parameters)
    if (teacherParameters.get(name)?.shape.join() !== shape.join())
      throw new RangeError(`distillation: the teacher has no ${name} of [${shape.join(', ')}], as the student has`);
  /** Training steps that were taken, and halvings that are done. */
  let [taken, done] = [0, 0];
  const grid = () => levels(teacherSteps / 2 ** done);
  const teach = (weights: Arrays) => {
    // Of a copy: a backend may keep the array, and the student's own go on changing.
    for (const [name, variable] of teacherParameters)
      tf.tidy(() => variable.assign(tf.tensor(weights.get(name)!.slice(), variable.shape)));
  };

  return {
    parameters,
    frozen: new Map([...teacherParameters].map(([name, variable]) => [`teacher.${name}`, variable])),
    draw(examples: Batch, rng: Random): Batch {
      const given = conditioned('distillation', network, examples);
      const { data, item } = examples.image;
      const n = count(examples);
      const visited = grid();
      for (const level of visited.slice(0, -1)) checkLevel('distillation', parameterisation, level);
      const begins = Array.from(rng.integers(n, (visited.length - 1) / 2), (i) => 2 * i);
      const at = (offset: number) => begins.map((i) => visited[i + offset]);
      return {
        ...given,
        noise: { data: rng.normals(data.length), item },
        ...levelFields('from', at(0)),
        ...levelFields('middle', at(1)),
        ...levelFields('to', at(2)),
        weight: column(at(0), (level) => Math.max(1, signalToNoise(level))),
        ...drawnInputs(network, item, n, rng),
      };
    },
    loss(inputs: Inputs): Losses {
      const [xStart, noise] = [inputs.image as tf.Tensor4D, inputs.noise as tf.Tensor4D];
      const [from, middle, to] = ['from', 'middle', 'to'].map((name) => levelsOf(name, inputs));
      const x = qSample(from, xStart, noise);
      const condition = Object.fromEntries(conditions.map((name) => [name, inputs[name]]));
      const target = withoutGradient(() => {
        const step = (at: tf.Tensor4D, level: Levels, next: Levels) => {
          const said = predicted('distillation', teacher, parameterisation, at, { level, condition });
          const x0 = clip ? tf.clipByValue(said, -1, 1) : said;
          const kept = tf.div(next.sigma, level.sigma);
          return tf.add<tf.Tensor4D>(tf.mul(next.signal, x0), tf.mul(kept, tf.sub(at, tf.mul(level.signal, x0))));
        };
        const end = step(step(x, from, middle), middle, to);
        const kept = tf.div(to.sigma, from.sigma);
        return tf.div<tf.Tensor4D>(tf.sub(end, tf.mul(kept, x)), tf.sub(to.signal, tf.mul(kept, from.signal)));
      });
      const more = Object.keys(network.trainingInputs?.(xStart.shape.slice(1)) ?? {});
      const x0 = predicted('distillation', network, parameterisation, x, {
        level: from,
        condition: { ...condition, ...Object.fromEntries(more.map((name) => [name, inputs[name]])) },
      });
      const simple = tf.mean<tf.Tensor1D>(tf.square(tf.sub(target, x0)), [1, 2, 3]);
      return { loss: tf.mul<tf.Tensor1D>(simple, inputs.weight), simple };
    },
    observe(_inputs, _losses, weights) {
      taken++;
      if (done + 1 >= halvings || taken < (done + 1) * every) return;
      teach(weights);
      done++;
    },
    state: (): State =>
      new Map<string, Int32Array | Float32Array>([
        ['taken', Int32Array.of(taken, done)],
        ...[...teacherParameters].map(
          ([name, variable]) => [`teacher.${name}`, variable.dataSync<'float32'>().slice()] as const,
        ),
      ]),
    restore(state: State) {
      [taken, done] = state.get('taken')!;
      teach(new Map([...teacherParameters.keys()].map((name) => [name, state.get(`teacher.${name}`) as Float32Array])));
    },
  };
}
