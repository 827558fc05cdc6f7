export { readCheckpoint, writeCheckpoint } from './checkpoint';
export type { Checkpoint, ModelDescription } from './checkpoint';
export { loadNetwork } from './network';
export type { NetworkReference } from './network';
export { createFolder } from './create-folder';
export { reason, writeFileAtomic } from './write-file-atomic';
