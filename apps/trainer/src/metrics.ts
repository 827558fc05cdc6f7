import type { FileHandle } from 'node:fs/promises';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { reason, writeFileAtomic } from '@ddpm/checkpoint';
import { z } from 'zod';
import type { History } from './history';
import { addStep, emptyHistory, historySchema } from './history';
import type { Metrics } from './metrics-of';

export interface MetricsFile {
  /** Of every step so far, those before a resume included. */
  readonly history: History;
  add(metrics: Metrics): Promise<void>;
  /** Saves the history, from which the file is gone on with. */
  save(): Promise<void>;
  close(): Promise<void>;
}

const historyPath = (folder: string) => join(folder, 'history.json');

/** The history, and the length in bytes of the lines of `metrics.jsonl` that it is of. */
const savedSchema = historySchema.extend({ bytes: z.int().nonnegative() });

/**
 * Opens `metrics.jsonl` in the run folder, to append a line for each step. Of a run that is resumed only those lines
 * are read that came after its history was saved; all of them where there is no history, or one of later steps.
 * @param step lines of this step and later ones, which a run that is resumed takes again, are cut off
 */
export async function openMetrics(folder: string, step: number): Promise<MetricsFile> {
  const path = join(folder, 'metrics.jsonl');
  const attempt = <T>(work: Promise<T>): Promise<T> =>
    work.catch((error: unknown) => {
      throw new Error(`${path} cannot be written: ${reason(error)}`, { cause: error });
    });
  const begun = step > 0 ? await open(path, 'r+').catch(() => undefined) : undefined;
  const file = begun ?? (await attempt(open(path, 'w+')));
  const { history, bytes } = begun ? await recover(begun, folder, step) : { history: emptyHistory(), bytes: 0 };
  /** Bytes of whole lines. */
  let length = bytes;
  await attempt(file.truncate(length));
  return {
    history,
    async add(metrics) {
      addStep(history, metrics);
      const line = Buffer.from(`${JSON.stringify(metrics)}\n`);
      try {
        for (let done = 0; done < line.length;)
          done += (await file.write(line, done, line.length - done, length + done)).bytesWritten;
        length += line.length;
      } catch (error) {
        // Half a line would spoil the next one.
        await file.truncate(length).catch(() => undefined);
        await attempt(Promise.reject(error as Error));
      }
    },
    save: () => writeFileAtomic(historyPath(folder), JSON.stringify({ ...history, bytes: length })),
    close: () => file.close(),
  };
}

/** Steps that the saved history of a run is of; undefined where there is none. */
export async function historySteps(folder: string): Promise<number | undefined> {
  return (await readHistory(folder))?.steps;
}

async function readHistory(folder: string): Promise<z.infer<typeof savedSchema> | undefined> {
  try {
    return savedSchema.parse(JSON.parse(await readFile(historyPath(folder), 'utf8')));
  } catch {
    return undefined; // It is made again from the metrics.
  }
}

/** The history of the steps before `step`, and the length of their lines. */
async function recover(file: FileHandle, folder: string, step: number): Promise<{ history: History; bytes: number }> {
  const saved = await readHistory(folder);
  const usable = saved && saved.steps <= step && (await endsLine(file, saved.bytes));
  const { bytes: known, ...history } = usable ? saved : { ...emptyHistory(), bytes: 0 };
  let bytes = known;
  for await (const { metrics, end } of wholeLines(file, bytes)) {
    if (metrics.step >= step) break;
    if (metrics.step >= history.steps) addStep(history, metrics);
    bytes = end;
  }
  return { history, bytes };
}

/** Whether the file has so many bytes, and the last of them ends a line. */
async function endsLine(file: FileHandle, bytes: number): Promise<boolean> {
  if (bytes === 0) return true;
  const { bytesRead, buffer } = await file.read(Buffer.alloc(1), 0, 1, bytes - 1);
  return bytesRead === 1 && buffer[0] === 10;
}

const CHUNK = 2 ** 20;

/** The lines from a place on that are whole, with where they end; a run that was killed may leave half of one. */
async function* wholeLines(file: FileHandle, start: number): AsyncGenerator<{ metrics: Metrics; end: number }> {
  let rest = Buffer.alloc(0);
  let at = start;
  for (;;) {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(CHUNK), 0, CHUNK, at + rest.length);
    if (bytesRead === 0) return;
    const text = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
    let from = 0;
    for (let end = text.indexOf(10); end >= 0; end = text.indexOf(10, from)) {
      const metrics = parsed(text.toString('utf8', from, end));
      from = end + 1;
      if (metrics) yield { metrics, end: at + from };
    }
    rest = text.subarray(from);
    at += from;
  }
}

function parsed(line: string): Metrics | undefined {
  try {
    const metrics = JSON.parse(line) as Metrics;
    const { step, loss, gradNorm } = metrics;
    return Number.isSafeInteger(step) ? { ...metrics, loss: loss ?? NaN, gradNorm: gradNorm ?? NaN } : undefined;
  } catch {
    return undefined;
  }
}
