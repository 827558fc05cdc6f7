import type { Level } from '../levels/level';
import type { Evaluation } from './sampler';

/**
 * The evaluation that a step of several began with.
 * @throws RangeError if there is none, because sampling began in the middle of the step
 */
export function checkWhole(who: string, index: number, [, before]: readonly Evaluation[]): Evaluation {
  if (!before)
    throw new RangeError(`${who}: sampling cannot begin at level ${index}, which is in the middle of a step`);
  return before;
}

/** @throws RangeError if there is a level that nothing is left of the image at, where x/signal is no number */
export function checkSignal(who: string, levels: readonly Level[]): void {
  const index = levels.findIndex(({ signal }) => !(signal > 0));
  if (index >= 0)
    throw new RangeError(`${who}: every level needs a signal above 0, got ${levels[index].signal} at level ${index}`);
}
