import { expect, test } from '@jest/globals';
import { openPixelArt } from '@ddpm/datasets';
import { orderOf } from '@ddpm/evaluation';
import { openOrders, readAttributes } from './attributes';

test('of real portraits all is as asked; of others, what happens to be alike', async () => {
  const n = 3;
  const orders = await openOrders({ seen: n, heldOut: n }, 0);
  const test = await openPixelArt({ split: 'test' });
  const numbers = orderOf(test.size, 0);
  expect(orders.seen.captions).toEqual([...numbers.subarray(0, n)].map((i) => test.captions(i)[0]));
  const real = { ...test, image: (i: number) => test.image(numbers[i]) };
  const progress: number[] = [];
  const drawn = { seen: real, heldOut: test, unseenWords: real };
  const attributes = await readAttributes(drawn, orders, n, (done) => progress.push(done));
  expect(attributes.n).toBe(n);
  const { seen, heldOut: wrong } = attributes;
  expect(seen.colours.asked).toBeGreaterThanOrEqual(2 * n - 1);
  for (const { asked, right } of Object.values(seen)) expect(right).toBe(asked);
  expect(wrong.colours.right).toBeLessThan(wrong.colours.asked);
  expect(progress).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  // Each of them is asked for something in other words.
  expect(orders.unseenWords.captions).toHaveLength(n);
  expect(orders.unseenWords.facts.every((facts) => Object.keys(facts).length > 0)).toBe(true);
  const { colours, glasses } = attributes.unseenWords;
  expect(colours.asked + glasses.asked).toBeGreaterThan(0);
});
