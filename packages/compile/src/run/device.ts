import { createDeviceExecutor } from './device-executor';
import type { Executor } from './executor';
import { createExecutor } from './executor';
import type { Pool } from './pool';
import type { Device } from './ort';
import { messageOf } from './realm';
import type { Vector } from '../plan/vectors';
import type { KeptVectors, Rule } from './kept';
import { keepVectors } from './kept';
import type { WeightMemory } from './weights';

/** Workers or a device, which run programs on micro-batches. */
export type Runner = Pick<Pool, 'size' | 'open' | 'run' | 'close'>;

/** The end of the last run on a device: those of several sessions may not overlap there. */
let last: Promise<unknown> = Promise.resolve();

function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const result = last.then(work);
  last = result.catch(() => {});
  return result;
}

/**
 * Why something failed on a device, as one line: what a person can do something about, and ONNX Runtime's own words,
 * which name its source files and run over many lines.
 */
export function reasonOnDevice(message: string): string {
  const [words] = message.replace(/\s+/g, ' ').trim().split(' Stacktrace:');
  // Without the line of its source, the function's type and the condition.
  const plain = words.replace(/(\/\S+\.(cc|h|cpp):\d+) .* was false\. /, '').replace(/\/\S+\.(cc|h|cpp):\d+ /g, '');
  const said = plain.length > LONGEST ? `${plain.slice(0, LONGEST)}…` : plain;
  const [hint] = hints.find(([, words]) => words.test(plain)) ?? [];
  return hint === undefined ? said : `${hint} (${said})`;
}

/** By the words of ONNX Runtime, Dawn and CUDA. */
const hints: readonly (readonly [hint: string, words: RegExp])[] = [
  [
    'the GPU was lost',
    /device\b.{0,40}\blost|DEVICE_LOST|Failed to download data from buffer|CUDA failure (4|46|719|999)\b/i,
  ],
  [
    'too little memory; take fewer examples at a time',
    /out of (device )?memory|OUT_OF_(HOST|DEVICE)_MEMORY|Failed to allocate|bad_alloc|CUDA failure 2\b|ALLOC_FAILED/i,
  ],
  [
    'a result is larger than it takes; take fewer examples at a time',
    /Too many storage buffers|exceeds the max\w* .*(binding|buffer) size/i,
  ],
];

/** As many letters of a message as are shown. */
const LONGEST = 300;

/** A device on which what programs leave can stay. */
export interface KeepingRunner extends Runner {
  /** Keeps parameters, and arrays beside them, as vectors that change by a rule. */
  keep(vectors: readonly Vector[], rule: Rule): KeptVectors;
}

/**
 * Runs programs on a device, one after the other. ONNX Runtime's Node binding leaves results on WebGPU's alone.
 * @param who the function that it works for, with whose name its errors begin
 */
export function onDevice(
  who: string,
  device: Exclude<Device, 'cpu'>,
  weights: WeightMemory,
): Runner & Partial<KeepingRunner> {
  const exclusively = <T>(work: () => Promise<T>): Promise<T> =>
    inTurn(work).catch((error: unknown) => {
      throw new Error(`${who}: on the device ${device}: ${reasonOnDevice(messageOf(error))}`);
    });
  if (device === 'cuda') return runnerOf(createExecutor(weights, { threads: 1, device }), exclusively);
  const executor = createDeviceExecutor(weights);
  return {
    ...runnerOf(executor, exclusively),
    keep: (vectors, rule) => keepVectors(executor, vectors, rule, exclusively),
  };
}

const runnerOf = (executor: Executor, exclusively: typeof inTurn): Runner => ({
  size: 0,
  open: (program) => exclusively(() => executor.open(program)),
  run: (program, request) =>
    exclusively(async () => {
      await executor.open(program);
      const { sums, ...rest } = request();
      return { results: await executor.run({ ...rest, sums }), sums };
    }),
  close: () => inTurn(() => executor.close()),
});

/** Bytes of the largest intermediate result that a device's micro-batch aims for. */
const deviceBytes = 2 ** 26;

/** As many examples as bring the largest result to that, a power of two; 128 at most. */
export const deviceMicroBatch = (largest: number): number =>
  2 ** Math.max(0, Math.min(7, Math.floor(Math.log2(deviceBytes / largest))));
