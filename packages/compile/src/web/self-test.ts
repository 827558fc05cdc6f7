import type { Target } from '../graph';

/** The portable path: what every build of ORT computes. */
export const portable: Target = { contrib: true, block: 0 };

/** WebAssembly has no blocked operators. */
export const fastTarget = (): Promise<Target> => Promise.resolve(portable);

/** Not used, since no device is an option in a page. */
export const portableOnDevice = portable;
