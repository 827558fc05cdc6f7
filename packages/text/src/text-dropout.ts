import type { Batch, Rows, Task } from '@ddpm/train';

/**
 * A task whose examples lose their caption now and then, where captions are told by what a frozen encoder says of them: their
 * fields are those of the empty caption then, which guidance needs. A draw for each example comes after all of the task's
 * own.
 * @param empty one example's fields for the empty caption, such as `text` and `present`
 * @param options.probability how often; 0.1 by default
 * @throws RangeError unless probability is from 0 to 1; and, when it is drawn, if the task's inputs lack a field
 */
export function withTextDropout(task: Task, empty: Batch, { probability = 0.1 }: { probability?: number } = {}): Task {
  if (!(probability >= 0 && probability <= 1))
    throw new RangeError(`withTextDropout: probability must be from 0 to 1, got ${probability}`);
  const [first, ...others] = Object.keys(empty);
  return {
    ...task,
    draw(examples, rng): Batch {
      const drawn = task.draw(examples, rng);
      const missing = [first, ...others].find((name) => drawn[name]?.item.join() !== empty[name].item.join());
      if (missing !== undefined)
        throw new RangeError(
          `withTextDropout: expected ${missing} [${empty[missing].item.join(', ')}] of each example, got ${missing in drawn ? `[${drawn[missing].item.join(', ')}]` : 'none'}`,
        );
      const n = drawn[first].data.length / empty[first].data.length;
      const dropped = Array.from({ length: n }, () => rng.uniform() < probability);
      const changed = (name: string): Rows => {
        const data = Float32Array.from(drawn[name].data);
        const each = empty[name].data;
        dropped.forEach((drop, i) => drop && data.set(each, i * each.length));
        return { data, item: drawn[name].item };
      };
      return { ...drawn, ...Object.fromEntries(Object.keys(empty).map((name) => [name, changed(name)])) };
    },
  };
}
