import { Random } from '@ddpm/random';
import type { Batch } from './batch';
import type { Learner, StepResult } from './learner';

/** The learner, its examples, and how many steps to take at which rate. */
export interface TrainOptions {
  /** The learner that takes the steps. */
  learner: Learner;
  /** The examples of each step from the given one on, without end. Their order must follow from the step alone. */
  examples: (start: number) => AsyncIterable<Batch>;
  /** The step to end before. */
  steps: number;
  /** The step to begin at; 0 by default. */
  start?: number;
  /** The learning rate: a number, or a function of the step. */
  rate: number | ((step: number) => number);
  /** All that is random in a step follows from this and the step's number. */
  seed: number;
}

/** A step that `train` has taken. */
export interface TrainStep extends StepResult {
  /** From 0. */
  readonly step: number;
  /** The inputs of the loss: the examples, and all that was random. */
  readonly inputs: Batch;
  /** The step's. */
  readonly learningRate: number;
}

/**
 * For each step: examples, all that is random (`task.draw`), and a step of the optimizer. Yields after each, so that
 * the caller logs, saves and stops. All that is random in a step follows from `seed` and its number, so that a run that
 * starts at step k with what the learner saved there goes on exactly. Where the task learns nothing from its steps, the
 * next step's inputs are drawn while a step is computed elsewhere, by workers or a device.
 * @throws Error if the examples end before the last step
 */
export async function* train({
  learner,
  examples,
  steps,
  start = 0,
  rate,
  seed,
}: TrainOptions): AsyncGenerator<TrainStep, void, undefined> {
  if (start >= steps) return;
  const { task } = learner;
  const batches = examples(start)[Symbol.asyncIterator]();
  const draw = async (step: number): Promise<Batch> => {
    const next = await batches.next();
    if (next.done) throw new Error(`train: the examples ended after ${step} of ${steps} steps`);
    return task.draw(next.value, new Random([seed, 'train', step]));
  };
  try {
    let drawn: Promise<Batch> | undefined;
    for (let step = start; step < steps; step++) {
      const inputs = await (drawn ?? draw(step));
      const learningRate = typeof rate === 'number' ? rate : rate(step);
      const taken = learner.step(inputs, learningRate);
      drawn = task.observe || step + 1 === steps ? undefined : draw(step + 1);
      // Whoever waits for it hears of it.
      drawn?.catch(() => {});
      yield { ...(await taken), step, inputs, learningRate };
    }
  } finally {
    await batches.return?.();
  }
}
