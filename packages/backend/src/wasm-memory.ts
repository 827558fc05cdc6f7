import { oncePerBackend } from './wasm-backend';

/**
 * Makes running out of the 4 GB that a WASM heap can have an error. The backend does not look at what its allocator returns, and would
 * write the tensor over whatever is at address 0.
 */
export const refuseWhenFull = oncePerBackend(({ wasm }) => {
  const allocate = wasm._malloc;
  wasm._malloc = (bytes) => {
    const address = allocate(bytes);
    if (address === 0 && bytes > 0) {
      const megabytes = Math.ceil(bytes / 2 ** 20);
      throw new RangeError(`wasm: no room for a tensor of ${megabytes} MB in the 4 GB that WebAssembly can have; use a smaller batch`);
    }
    return address;
  };
});
