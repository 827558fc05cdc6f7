/** Which part of a dataset; `held-out` has what the others lack altogether. */
export type Split = 'train' | 'test' | 'held-out';

/** Which part of a dataset that comes in two. */
export type Half = 'train' | 'test';
