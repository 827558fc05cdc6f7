export { checkpointFrom, readCheckpoint, writeCheckpoint } from './checkpoint';
export type { Checkpoint, ModelDescription } from './checkpoint';
export { loadNetwork, referenceIn } from './network';
export type { NetworkReference } from './network';
export { lockFolder } from './lock';
export { findCheckpoint, runFolderOf, saveCheckpoint } from './rotation';
export { createFolder } from './create-folder';
export { makeFolder } from './make-folder';
export { reason, writeFileAtomic } from './write-file-atomic';
