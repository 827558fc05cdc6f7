import * as tf from '@tensorflow/tfjs-core';
import { adam } from './adam';
import type { Batch } from './batch';
import { decayOf, ema } from './ema';
import type { Gradients, GradientsResult } from './gradients';
import type { Optimizer, OptimizerFor, UpdateRule } from './optimizer';
import { fromState, stateOf, zerosLike } from './optimizer';
import { checkState, prefixed, under } from './state';
import type { Arrays, State, Task, Values } from './task';

/** The task, and how its parameters are changed; `task` and `gradients` are needed. */
export interface LearnerOptions {
  /** The task that is learned. */
  task: Task;
  /** The task's gradients: `eagerGradients(task)`, or compiled ones. */
  gradients: Gradients;
  /** `adam()` by default. */
  optimizer?: OptimizerFor;
  /** Gradients whose L2 norm over all parameters is larger are scaled down to this norm; by default none are. */
  clipNorm?: number;
  /** Keeps a moving average of the weights with this decay, such as 0.9999. */
  emaDecay?: number;
}

/** Loss and gradient norm of a step. */
export interface StepResult {
  /** The mean loss of the batch, before the step. */
  readonly loss: number;
  /** Every loss that is one number for each example, by name. */
  readonly losses: Arrays;
  /** The L2 norm of the whole gradient, before it is clipped. */
  readonly gradNorm: number;
  /** Whether the step was not taken, because the loss or the gradient is not finite. */
  readonly skipped: boolean;
}

/** All that a learner needs to go on exactly. */
export interface Saved {
  /** The weights to use the model with: their moving average, or the parameters where there is none. */
  readonly weights: ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }>;
  /**
   * All else: the optimizer's arrays, the parameters where the weights are their average, and what the task has
   * learned.
   */
  readonly state: State;
}

/** Parameters on their way: with an optimizer, perhaps a moving average, and the task that they are trained for. */
export interface Learner {
  /** The task that is learned. */
  readonly task: Task;
  /** The current parameters by name, valid until the next step. */
  parameters(): Promise<Arrays>;
  /** The weights to use the model with: their moving average, or the parameters where there is none. */
  weights(): Promise<Arrays>;
  /** One step of the optimizer on inputs that `task.draw` made. */
  step(inputs: Batch, learningRate: number): Promise<StepResult>;
  /** All that a checkpoint must hold: arrays that are valid until the next step. */
  save(): Promise<Saved>;
  /**
   * Goes on from where `save()` was called.
   * @throws Error, and changes nothing, if it was not called on a learner of the same parameters, optimizer and average
   */
  restore(saved: Saved): Promise<void>;
  /** Frees what computes the gradients. */
  dispose(): Promise<void>;
}

/**
 * A learner that begins with the values of the task's variables. A step whose loss or gradient is not finite is not
 * taken. Its parameters and optimizer live in plain arrays; but on a device, where gradients are computed on one that
 * can keep them, the optimizer has a formula, and the task does not want to see the weights after each step.
 */
export async function learner({
  task,
  gradients,
  optimizer = adam(),
  clipNorm,
  emaDecay,
}: LearnerOptions): Promise<Learner> {
  const parameters = new Map<string, Float32Array>();
  for (const [name, variable] of task.parameters)
    parameters.set(name, Float32Array.from(await variable.data<'float32'>()));
  const { keep } = gradients;
  const { rule } = optimizer;
  const holder =
    keep && rule && !task.observe
      ? await onDevice(keep, rule, parameters, emaDecay)
      : onArrays(gradients, optimizer(parameters), parameters, emaDecay);

  const saved = async (): Promise<Saved> => {
    const { parameters: current, optimizer: own, average } = await holder.read();
    const state = new Map<string, Values>([
      ...prefixed('optimizer/', own),
      ...(average ? [...prefixed('parameters/', current), ['ema/updates', average.updates] as const] : []),
      ...prefixed('task/', task.state?.() ?? new Map<string, Float32Array>()),
    ]);
    const weights = [...(average?.weights ?? current), ...(task.buffers?.() ?? new Map<string, Float32Array>())];
    const shapeOf = (name: string) => (task.parameters.get(name) ?? task.frozen!.get(name)!).shape;
    return { weights: new Map(weights.map(([name, data]) => [name, { shape: shapeOf(name), data }])), state };
  };

  return {
    task,
    async parameters() {
      return (await holder.read()).parameters;
    },
    async weights() {
      const { average, parameters: current } = await holder.read();
      return average?.weights ?? current;
    },
    async step(inputs, learningRate) {
      const { loss, losses, gradNorm } = await holder.gradients(inputs);
      const skipped = !Number.isFinite(loss) || !Number.isFinite(gradNorm);
      if (!skipped) {
        await holder.update(learningRate, clipNorm !== undefined && gradNorm > clipNorm ? clipNorm / gradNorm : 1);
        if (task.observe) {
          const { average, parameters: current } = await holder.read();
          task.observe(inputs, losses, average?.weights ?? current);
        }
      }
      const n = losses.get('loss')!.length;
      const ofEach = new Map([...losses].filter(([, values]) => values.length === n));
      return { loss, losses: ofEach, gradNorm, skipped };
    },
    save: saved,
    async restore({ weights, state }) {
      const given = new Map([...weights].map(([name, { data }]) => [name, data]));
      const own = await saved();
      checkState('learner', joined(own.state, own.weights), joined(state, weights));
      const of = (name: string) => given.get(name)!;
      const averages = new Map([...task.parameters.keys()].map((name) => [name, of(name)]));
      await holder.write({
        parameters: emaDecay === undefined ? averages : (under('parameters/', state) as Arrays),
        optimizer: under('optimizer/', state),
        ...(emaDecay !== undefined && { average: { weights: averages, updates: state.get('ema/updates')! } }),
      });
      task.restore?.(under('task/', state));
    },
    dispose: () => gradients.dispose(),
  };
}

const joined = (state: State, weights: Saved['weights']): State =>
  new Map([...state, ...[...weights].map(([name, { data }]) => [`weights/${name}`, data] as const)]);

/** All that a learner has learned but for its task. */
interface Held {
  readonly parameters: Arrays;
  readonly optimizer: State;
  readonly average?: { readonly weights: Arrays; readonly updates: Values };
}

/** Where that lies, and how it changes. */
interface Holder {
  /** The loss, and the norm of its gradient, which is kept for `update`. */
  gradients(inputs: Batch): Promise<Omit<GradientsResult, 'gradients'> & { readonly gradNorm: number }>;
  /** A step of the optimizer by that gradient times the factor. */
  update(learningRate: number, factor: number): Promise<void>;
  read(): Promise<Held>;
  write(held: Held): Promise<void>;
}

function onArrays(gradients: Gradients, steps: Optimizer, parameters: Arrays, emaDecay?: number): Holder {
  const average = emaDecay === undefined ? undefined : ema(parameters, { decay: emaDecay });
  let gradient: Arrays = new Map();
  return {
    async gradients(inputs) {
      const result = await gradients(parameters, inputs);
      gradient = result.gradients;
      return { ...result, gradNorm: globalNorm(gradient) };
    },
    update(learningRate, factor) {
      steps.update(parameters, factor === 1 ? gradient : scaled(gradient, factor), learningRate);
      average?.update(parameters);
      return Promise.resolve();
    },
    read: () =>
      Promise.resolve({
        parameters,
        optimizer: steps.state(),
        average: average && { weights: average.weights, updates: average.state().get('updates')! },
      }),
    write(held) {
      for (const [name, values] of parameters) values.set(held.parameters.get(name)!);
      steps.restore(held.optimizer);
      if (held.average) {
        const { weights, updates } = held.average;
        average!.restore(new Map([['updates', updates], ...prefixed('weights/', weights)]));
      }
      return Promise.resolve();
    },
  };
}

async function onDevice(
  keep: NonNullable<Gradients['keep']>,
  rule: UpdateRule,
  parameters: Arrays,
  emaDecay?: number,
): Promise<Holder> {
  let [step, updates] = [0, 0];
  const count = rule.arrays.length;
  const zeros = rule.arrays.map(() => zerosLike(parameters));
  const kept = await keep(
    ([parameter, ...others], gradient, [factor, decay, rest, ...numbers]) => {
      const next = rule.onTensors(parameter, tf.mul(gradient, factor), others.slice(0, count), numbers);
      const average = others.slice(count).map((before) => tf.add(tf.mul(before, decay), tf.mul(next[0], rest)));
      return [...next, ...average];
    },
    [parameters, ...zeros, ...(emaDecay === undefined ? [] : [parameters])],
  );
  return {
    async gradients(inputs) {
      const { squares, ...result } = await kept.gradients(inputs);
      return { ...result, gradNorm: Math.sqrt(squares) };
    },
    async update(learningRate, factor) {
      const decay = decayOf(updates++, emaDecay ?? 0);
      await kept.update([factor, decay, 1 - decay, ...rule.numbers(++step, learningRate)]);
    },
    async read() {
      const [current, ...others] = await kept.read();
      return {
        parameters: current,
        optimizer: stateOf(rule, step, others),
        ...(emaDecay !== undefined && { average: { weights: others[count], updates: Float64Array.of(updates) } }),
      };
    },
    async write({ parameters: current, optimizer, average }) {
      const own = fromState(rule, optimizer);
      await kept.write([current, ...own.arrays, ...(average ? [average.weights] : [])]);
      step = own.step;
      updates = average?.updates[0] ?? 0;
    },
  };
}

/** The L2 norm over all arrays together, in float64. */
function globalNorm(arrays: Arrays): number {
  let sum = 0;
  for (const values of arrays.values()) for (let i = 0; i < values.length; i++) sum += values[i] * values[i];
  return Math.sqrt(sum);
}

/** New arrays, each element times the factor. */
function scaled(arrays: Arrays, factor: number): Arrays {
  const result = new Map<string, Float32Array>();
  for (const [name, values] of arrays) {
    const out = new Float32Array(values.length);
    for (let i = 0; i < values.length; i++) out[i] = values[i] * factor;
    result.set(name, out);
  }
  return result;
}
