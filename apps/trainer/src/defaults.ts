import type { CommonSettings } from './common-table';

/** The common settings of a preset, where it has no others: Adam at a constant rate, on whatever backend there is. */
export const defaults = {
  ...{ networkOptions: {}, accumulate: 1, validation: 0 },
  ...{ warmup: 0, decay: 'constant', weightDecay: 0 },
  ...{ backend: 'auto', seed: 0, checkpointEvery: 100, keep: 3, maxSkipped: 10 },
} as const satisfies Partial<CommonSettings>;
