import { expect, test } from '@jest/globals';
import { addStep, emptyHistory } from './history';
import { outlook } from './outlook';

/** The history of so many steps with these losses. */
function historyOf(steps: number, loss: (step: number) => number) {
  const history = emptyHistory();
  for (let step = 0; step < steps; step++)
    addStep(history, {
      step,
      epoch: 0,
      loss: loss(step),
      gradNorm: 1,
      imagesPerSecond: 1,
      seconds: step / 10,
      learningRate: 1,
    });
  return history;
}

test('a loss that falls as a power of the steps would fall on, by as much with each doubling', () => {
  // ∫ s^−0.1 ds over [n/2, n] is 2^−0.1 of twice that over [n/4, n/2].
  expect(outlook(historyOf(4000, (step) => (step + 0.5) ** -0.1))).toBe(
    'Longer: the loss of the second half is 6.7 % below that of the quarter before; twice as many steps (--steps 8000, 13m 20s) may take off as much again',
  );
});

test('one that stays would stay, and one that rises is said to rise', () => {
  expect(outlook(historyOf(1000, () => 0.3))).toMatch(/only 0\.0 % below .* hardly help/);
  expect(outlook(historyOf(1000, (step) => 1 + step / 1000))).toMatch(/ 27\.3 % above .* hardly help/);
});

test('of a few steps nothing is said', () => {
  expect(outlook(historyOf(39, (step) => 1 / (step + 1)))).toBeUndefined();
  expect(outlook(emptyHistory())).toBeUndefined();
});
