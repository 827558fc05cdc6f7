import { oncePerBackend } from './wasm-backend';

/**
 * Makes running out of the 4 GB that a WASM heap can have an error. The backend does not look at what its allocator
 * returns, and would write the tensor over whatever is at address 0.
 */
export const refuseWhenFull = oncePerBackend(({ wasm }) => {
  // Emscripten puts the real function in place of a stub at the first call.
  wasm._free(wasm._malloc(1));
  const allocate = wasm._malloc;
  wasm._malloc = (bytes) => {
    const address = bytes < 2 ** 32 ? allocate(bytes) : 0;
    if (address === 0 && bytes > 0) {
      const megabytes = Math.ceil(bytes / 2 ** 20);
      throw new RangeError(
        `wasm: no room for a tensor of ${megabytes} MB in the 4 GB that WebAssembly can have; use a smaller batch`,
      );
    }
    return address;
  };
});
