import { adam } from './adam';
import type { Batch } from './batch';
import { ema } from './ema';
import type { Gradients } from './gradients';
import type { OptimizerFor } from './optimizer';
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
  /** The current parameters by name: the learner's own arrays, valid until the next step. */
  readonly parameters: Arrays;
  /** The weights to use the model with: their moving average, or the parameters where there is none. */
  readonly weights: Arrays;
  /** One step of the optimizer on inputs that `task.draw` made. */
  step(inputs: Batch, learningRate: number): Promise<StepResult>;
  /** All that a checkpoint must hold: the learner's own arrays, valid until the next step. */
  save(): Saved;
  /**
   * Goes on from where `save()` was called.
   * @throws Error, and changes nothing, if it was not called on a learner of the same parameters, optimizer and average
   */
  restore(saved: Saved): void;
  /** Frees what computes the gradients. */
  dispose(): Promise<void>;
}

/**
 * A learner that begins with the values of the task's variables. Its parameters and optimizer live in plain arrays. A
 * step whose loss or gradient is not finite is not taken.
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
  const steps = optimizer(parameters);
  const average = emaDecay === undefined ? undefined : ema(parameters, { decay: emaDecay });
  const weights = average?.weights ?? parameters;

  const state = (): Map<string, Values> =>
    new Map<string, Values>([
      ...prefixed('optimizer/', steps.state()),
      ...(average
        ? [...prefixed('parameters/', parameters), ['ema/updates', average.state().get('updates')!] as const]
        : []),
      ...prefixed('task/', task.state?.() ?? new Map<string, Float32Array>()),
    ]);
  const buffers = (): Arrays => task.buffers?.() ?? new Map<string, Float32Array>();
  const withWeights = (own: State, values: Arrays): State =>
    new Map([...own, ...[...values].map(([name, array]) => [`weights/${name}`, array] as const)]);

  return {
    task,
    parameters,
    weights,
    async step(inputs, learningRate) {
      const { loss, losses, gradients: unclipped } = await gradients(parameters, inputs);
      const gradNorm = globalNorm(unclipped);
      const skipped = !Number.isFinite(loss) || !Number.isFinite(gradNorm);
      if (!skipped) {
        const clipped =
          clipNorm !== undefined && gradNorm > clipNorm ? scaled(unclipped, clipNorm / gradNorm) : unclipped;
        steps.update(parameters, clipped, learningRate);
        average?.update(parameters);
        task.observe?.(inputs, losses, weights);
      }
      const n = losses.get('loss')!.length;
      const ofEach = new Map([...losses].filter(([, values]) => values.length === n));
      return { loss, losses: ofEach, gradNorm, skipped };
    },
    save: () => ({
      weights: new Map(
        [...weights, ...buffers()].map(([name, data]) => [
          name,
          { shape: (task.parameters.get(name) ?? task.frozen!.get(name)!).shape, data },
        ]),
      ),
      state: state(),
    }),
    restore(saved) {
      const given = new Map([...saved.weights].map(([name, { data }]) => [name, data]));
      checkState('learner', withWeights(state(), new Map([...weights, ...buffers()])), withWeights(saved.state, given));
      const now = average ? (under('parameters/', saved.state) as Arrays) : given;
      for (const [name, values] of parameters) values.set(now.get(name)!);
      steps.restore(under('optimizer/', saved.state));
      const averages = new Map([...weights.keys()].map((name) => [name, given.get(name)!]));
      average?.restore(new Map([['updates', saved.state.get('ema/updates')!], ...prefixed('weights/', averages)]));
      task.restore?.(under('task/', saved.state));
    },
    dispose: () => gradients.dispose(),
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
