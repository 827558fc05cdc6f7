import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { reason, writeFileAtomic } from '@ddpm/checkpoint';
import { plotLines, svgToPng } from '@ddpm/images/plot';

export interface Metrics {
  readonly step: number;
  readonly epoch: number;
  readonly loss: number;
  readonly gradNorm: number;
  readonly imagesPerSecond: number;
  /** Since training began. */
  readonly seconds: number;
}

/** Appends to `metrics.jsonl` in the run folder, a line a step, and draws `loss.png` from it. */
export async function createMetrics(folder: string) {
  const path = join(folder, 'metrics.jsonl');
  const fail = (error: unknown): never => {
    throw new Error(`${path} cannot be written: ${reason(error)}`, { cause: error });
  };
  const file = await open(path, 'a').catch(fail);
  const losses: number[] = [];
  return {
    async add(metrics: Metrics): Promise<void> {
      losses.push(metrics.loss);
      await file.appendFile(`${JSON.stringify(metrics)}\n`).catch(fail);
    },
    /** The mean loss of the last steps, at most 20. */
    recentLoss: () => losses.slice(-20).reduce((sum, loss) => sum + loss, 0) / Math.min(losses.length, 20),
    async draw(): Promise<string> {
      const plot = join(folder, 'loss.png');
      const lines = [{ y: losses, smooth: losses.length > 40 ? Math.ceil(losses.length / 40) : undefined }];
      await writeFileAtomic(plot, svgToPng(plotLines(lines, { title: 'Training loss', xLabel: 'step', logY: true })));
      return plot;
    },
    close: () => file.close(),
  };
}
