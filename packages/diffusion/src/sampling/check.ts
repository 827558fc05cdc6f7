import type { Evaluation } from './sampler';

/**
 * The evaluation that a step of several began with.
 * @throws RangeError if there is none, because sampling began in the middle of the step
 */
export function checkWhole(who: string, [now, before]: readonly Evaluation[]): Evaluation {
  if (!before)
    throw new RangeError(
      `${who}: sampling cannot begin at the level of t = ${now.level.time}, which is in the middle of a step`,
    );
  return before;
}
