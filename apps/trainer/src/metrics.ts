import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { reason, writeFileAtomic } from '@ddpm/checkpoint';

/** A step's numbers, as `metrics.jsonl` holds them; a number that is not finite is null there. */
export interface Metrics {
  readonly step: number;
  readonly epoch: number;
  readonly loss: number;
  readonly gradNorm: number;
  readonly imagesPerSecond: number;
  /** Of training, previews and the like not counted. */
  readonly seconds: number;
  readonly learningRate: number;
  /** The mean loss of the images whose t lies in each quarter of 0 … T − 1; null where there is none. */
  readonly quartiles: readonly (number | null)[];
  readonly validationLoss?: number;
  readonly skipped?: true;
}

/** Mean of the losses in each quarter of the timesteps. */
export function quartileLosses(losses: Float32Array, t: Int32Array, timesteps: number): (number | null)[] {
  const [sums, counts] = [new Float64Array(4), new Float64Array(4)];
  losses.forEach((loss, i) => {
    const quarter = Math.floor((4 * t[i]) / timesteps);
    sums[quarter] += loss;
    counts[quarter]++;
  });
  return Array.from(sums, (sum, i) => (counts[i] > 0 ? sum / counts[i] : null));
}

export interface MetricsFile {
  /** Every step so far, those before a resume included. */
  readonly all: readonly Metrics[];
  add(metrics: Metrics): Promise<void>;
  /** The mean loss of the last 20 steps. */
  recentLoss(): number;
  close(): Promise<void>;
}

/**
 * Opens `metrics.jsonl` in the run folder, to append a line for each step.
 * @param step lines of this step and later ones, which a run that is resumed takes again, are dropped
 */
export async function openMetrics(folder: string, step: number): Promise<MetricsFile> {
  const path = join(folder, 'metrics.jsonl');
  const all: Metrics[] = step > 0 ? (await readMetrics(path)).filter((metrics) => metrics.step < step) : [];
  await writeFileAtomic(path, all.map((metrics) => `${JSON.stringify(metrics)}\n`).join(''));
  const fail = (error: unknown): never => {
    throw new Error(`${path} cannot be written: ${reason(error)}`, { cause: error });
  };
  const file = await open(path, 'a').catch(fail);
  return {
    all,
    async add(metrics) {
      all.push(metrics);
      await file.appendFile(`${JSON.stringify(metrics)}\n`).catch(fail);
    },
    recentLoss() {
      const losses = all.slice(-20).flatMap(({ loss }) => (Number.isFinite(loss) ? loss : []));
      return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
    },
    close: () => file.close(),
  };
}

/** The lines of a metrics file that are whole; a run that was killed may leave half of one. */
async function readMetrics(path: string): Promise<Metrics[]> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.split('\n').flatMap((line) => {
    try {
      const metrics = JSON.parse(line) as Metrics;
      return Number.isSafeInteger(metrics.step) ? [{ ...metrics, loss: metrics.loss ?? NaN, gradNorm: metrics.gradNorm ?? NaN }] : [];
    } catch {
      return [];
    }
  });
}
