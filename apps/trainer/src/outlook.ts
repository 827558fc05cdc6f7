import { formatSeconds } from '@ddpm/app-common';
import { curvePoints, emptyCurve } from './curves';
import type { History } from './history';

/** Below this share, another run would be as likely to end higher. */
const NOTEWORTHY = 0.01;

/**
 * Says whether training for longer would help, by what the last doubling of the steps brought: the mean loss of the
 * second half of the run beside that of the quarter before it. Nothing of runs too short to tell.
 */
export function outlook({ steps, seconds, curves }: History): string | undefined {
  const points = curvePoints(curves.loss ?? emptyCurve());
  const mean = (from: number, to: number) => {
    const within = points.filter(({ step }) => step >= from && step < to).map((point) => point.mean);
    return within.reduce((sum, loss) => sum + loss, 0) / within.length;
  };
  if (points.length < 40) return undefined;
  const fell = 1 - mean(steps / 2, steps) / mean(steps / 4, steps / 2);
  if (!Number.isFinite(fell)) return undefined;
  const share = `${(100 * Math.abs(fell)).toFixed(1)} %`;
  if (fell < NOTEWORTHY)
    return `Longer: the loss of the second half is ${fell < 0 ? `${share} above` : `only ${share} below`} that of the quarter before, so that more steps would hardly help; a larger network may`;
  return `Longer: the loss of the second half is ${share} below that of the quarter before; twice as many steps (--steps ${2 * steps}, ${formatSeconds(2 * seconds)}) may take off as much again`;
}
