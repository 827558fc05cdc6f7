import type { Batch, Task } from '@ddpm/train';

/** Which labels are left out; `none` is needed. */
export interface LabelDropoutOptions {
  /** The label of no class: the number of classes, where the network's last row is for it. */
  none: number;
  /** How often a label is left out; 0.1 by default. */
  probability?: number;
}

/**
 * A task whose examples lose their `label` now and then, so that one network learns to do with it and without it, which
 * `guided` needs (Ho & Salimans 2022, Algorithm 1). A draw for each example comes after all of the task's own, so that
 * levels and noise are those that it has without dropout.
 * @throws RangeError unless probability is from 0 to 1, and none a whole number; and, when it is drawn, if the task's
 * inputs have no `label`
 */
export function withLabelDropout(task: Task, { none, probability = 0.1 }: LabelDropoutOptions): Task {
  if (!(probability >= 0 && probability <= 1))
    throw new RangeError(`withLabelDropout: probability must be from 0 to 1, got ${probability}`);
  if (!Number.isInteger(none) || none < 0)
    throw new RangeError(`withLabelDropout: none must be a label, a whole number, got ${none}`);
  return {
    ...task,
    draw(examples, rng): Batch {
      const drawn = task.draw(examples, rng);
      if (!('label' in drawn))
        throw new RangeError(
          `withLabelDropout: the task's inputs have no 'label', only ${Object.keys(drawn).join(', ')}`,
        );
      const { data, item } = drawn.label;
      return {
        ...drawn,
        label: { data: Int32Array.from(data, (label) => (rng.uniform() < probability ? none : label)), item },
      };
    },
  };
}
