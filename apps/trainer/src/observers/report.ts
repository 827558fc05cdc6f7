import type { JsonObject } from '@ddpm/checkpoint';
import type { MetricsFile } from '../metrics';
import type { Observer, Tolerate } from './observer';
import { isDue } from './observer';

/**
 * `loss.png`, `report.html` and the history that a resume goes on from, as often as checkpoints and at the end. What
 * draws them is loaded when it is needed first, since it takes a quarter of a second.
 */
export function report(
  metrics: MetricsFile,
  { folder, config, every, tolerate }: { folder: string; config: JsonObject; every: number; tolerate: Tolerate },
): Observer {
  const write = async () => {
    const { writeRecords } = await import('../records');
    await writeRecords(folder, metrics.history, config);
    await metrics.save();
  };
  return {
    async step({ done, last, skipped }) {
      if (isDue(every, done) && !last && !skipped) await tolerate(write);
    },
    async keep(_done, finished) {
      if (finished) await write();
      else await tolerate(write);
    },
  };
}
