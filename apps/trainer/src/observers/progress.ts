import { formatRate } from '@ddpm/app-common';
import { recentLoss } from '../history';
import type { MetricsFile } from '../metrics';
import { metricsOf } from '../metrics-of';
import type { Reporter } from '../reporter';
import type { Training } from '../tasks/training';
import type { Observer } from './observer';

/** The bar on a terminal, or whatever else the reporter makes of a step. */
export function progress(
  reporter: Reporter,
  { metrics, training }: { metrics: MetricsFile; training: Training },
): Observer {
  return {
    step(step) {
      const note = `loss ${recentLoss(metrics.history).toFixed(4)}  ${formatRate(step.imagesPerSecond)} images/s`;
      reporter.step(metricsOf(step, training), note);
    },
    close: () => reporter.stop(),
  };
}
