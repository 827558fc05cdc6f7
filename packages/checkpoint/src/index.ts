export { checkpointFrom, readCheckpoint, writeCheckpoint } from './checkpoint';
export type { Checkpoint, ModelDescription } from './checkpoint';
export { loadNetwork } from './network';
export type { NetworkReference } from './network';
export { lockFolder } from './lock';
export { findCheckpoint, saveCheckpoint } from './rotation';
export { createFolder } from './create-folder';
export { reason, writeFileAtomic } from './write-file-atomic';
