export { readCheckpoint, writeCheckpoint } from './checkpoint';
export { decodeCheckpoint, encodeCheckpoint } from './format';
export type { Checkpoint, JsonObject, NetworkReference } from './format';
export { loadNetwork, referenceIn } from './network';
export { lockFolder } from './lock';
export { findCheckpoint, runFolderOf, saveCheckpoint } from './rotation';
export { createFolder } from './create-folder';
export { makeFolder } from './make-folder';
export { reason, writeFileAtomic } from './write-file-atomic';
