import { Random } from '@ddpm/random';
import type { Batch, Task } from '@ddpm/train';
import { expect, test } from '@jest/globals';
import { withCaptionDropout } from './caption-dropout';

const tokenizer = { length: 2, encode: () => Int32Array.of(1, 0) };
const task: Task = {
  parameters: new Map(),
  draw: (examples, rng) => ({ ...examples, noise: { data: rng.normals(200), item: [2] } }),
  loss: () => {
    throw new Error('not needed');
  },
};
const examples: Batch = { tokens: { data: new Int32Array(200).fill(5), item: [2] } };

test('leaves out as many captions as it says, whole ones, after all other draws', () => {
  const drawn = withCaptionDropout(task, tokenizer, { probability: 0.3 }).draw(examples, new Random(1));
  expect(drawn.noise).toEqual(task.draw(examples, new Random(1)).noise);
  const captions = Array.from({ length: 100 }, (_, i) => [...drawn.tokens.data.slice(2 * i, 2 * i + 2)].join());
  expect(new Set(captions)).toEqual(new Set(['5,5', '1,0']));
  const dropped = captions.filter((caption) => caption === '1,0').length;
  // Of 100 with the probability 0.3: 30 ± 4.6.
  expect(Math.abs(dropped - 30)).toBeLessThan(14);
  expect([...examples.tokens.data].every((id) => id === 5)).toBe(true);
});

test('refuses what it cannot do', () => {
  expect(() => withCaptionDropout(task, tokenizer, { probability: 2 })).toThrow(
    'probability must be from 0 to 1, got 2',
  );
  const draw = (batch: Batch) => withCaptionDropout(task, tokenizer).draw(batch, new Random(1));
  expect(() => draw({})).toThrow('withCaptionDropout: expected tokens [2] of each example, got none');
  expect(() => draw({ tokens: { data: new Int32Array(3), item: [3] } })).toThrow('got [3]');
});
