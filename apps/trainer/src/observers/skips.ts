import type { Reporter } from '../reporter';
import type { Observer } from './observer';

/**
 * Says which steps were not taken, and ends a run that takes none any more.
 * @param options.saved after how many steps the last checkpoint was made; 0 where there is none
 */
export function skips(
  reporter: Reporter,
  { folder, most, saved }: { folder: string; most: number; saved: () => number },
): Observer {
  let inARow = 0;
  return {
    step({ step, skipped, loss, gradNorm }) {
      inARow = skipped ? inARow + 1 : 0;
      if (skipped) reporter.warn(`step ${step} was skipped: its loss is ${loss}, its gradient's norm ${gradNorm}`);
      if (inARow < most) return;
      const left =
        saved() > 0
          ? `the last good checkpoint is after ${saved()} steps in ${folder}`
          : `there is no checkpoint in ${folder} yet`;
      throw new Error(`stopped at step ${step}: ${inARow} steps in a row had no finite loss and gradient; ${left}`);
    },
  };
}
