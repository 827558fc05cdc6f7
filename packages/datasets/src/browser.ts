export { batchCount, batches } from './batches';
export type { Batch, BatchOptions } from './batches';
export { arrayDataset } from './dataset';
export type { Channels, Dataset } from './dataset';
export { parseIdx } from './idx';
export type { IdxArray } from './idx';
export { idxDataset } from './idx-dataset';
export { crop, fitted, pad, resize } from './transform';
export type { Fit } from './transform';
