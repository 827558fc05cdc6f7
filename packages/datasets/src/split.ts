/** Which part of a dataset that comes in two. */
export type Split = 'train' | 'test';
