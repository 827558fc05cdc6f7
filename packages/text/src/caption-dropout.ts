import type { Batch, Task } from '@ddpm/train';
import type { Tokenizer } from './tokenizer';

/**
 * A task whose examples lose their caption now and then, `tokens` then being those of the empty one, so that one network
 * learns to do with captions and without (Ho & Salimans 2022, Algorithm 1), which guidance needs. A draw for each example
 * comes after all of the task's own, so that levels and noise are those that it has without.
 * @param options.probability how often; 0.1 by default
 * @throws RangeError unless probability is from 0 to 1; and, when it is drawn, if the task's inputs have no tokens of
 * that length
 */
export function withCaptionDropout(
  task: Task,
  tokenizer: Pick<Tokenizer, 'encode' | 'length'>,
  { probability = 0.1 }: { probability?: number } = {},
): Task {
  if (!(probability >= 0 && probability <= 1))
    throw new RangeError(`withCaptionDropout: probability must be from 0 to 1, got ${probability}`);
  const { length } = tokenizer;
  const empty = tokenizer.encode('');
  return {
    ...task,
    draw(examples, rng): Batch {
      const drawn = task.draw(examples, rng);
      if (drawn.tokens?.item.join() !== String(length))
        throw new RangeError(
          `withCaptionDropout: expected tokens [${length}] of each example, got ${drawn.tokens ? `[${drawn.tokens.item.join(', ')}]` : 'none'}`,
        );
      const data = Int32Array.from(drawn.tokens.data);
      for (let i = 0; i < data.length; i += length) if (rng.uniform() < probability) data.set(empty, i);
      return { ...drawn, tokens: { data, item: [length] } };
    },
  };
}
