/** Memory that changes hands. */
export const sharedMemory = (bytes: number): ArrayBufferLike => new ArrayBuffer(bytes);
