import type { WasmBackend } from '../wasm-backend';
import { oncePerBackend } from '../wasm-backend';

const fullyConnected = oncePerBackend(({ wasm }) =>
  wasm.cwrap('BatchMatMul', null, [
    'number',
    'array',
    'number',
    'number',
    'array',
    'number',
    'number',
    'number',
    'number',
  ]),
);

const bytes = (...shape: number[]) => new Uint8Array(new Int32Array(shape).buffer);

/**
 * out = a·b by XNNPACK, for row-major float32 matrices a [rows, inner], b [inner, columns] and out [rows, columns] at
 * addresses of the WASM heap, which may be anywhere inside tensors: this is how the kernels multiply slices without
 * copying them.
 */
export function matrixMultiply(
  backend: WasmBackend,
  addresses: { a: number; b: number; out: number },
  { rows, inner, columns }: { rows: number; inner: number; columns: number },
): void {
  const { registerTensor, disposeData } = backend.wasm.tfjs;
  const id = (address: number, size: number) => {
    const next = backend.dataIdNextNumber++;
    registerTensor(next, size, address);
    return next;
  };
  const [a, b, out] = [
    id(addresses.a, rows * inner),
    id(addresses.b, inner * columns),
    id(addresses.out, rows * columns),
  ];
  fullyConnected(backend)(a, bytes(1, rows, inner), 3, b, bytes(1, inner, columns), 3, 0, 0, out);
  // This frees XNNPACK's packed copy of b, and only forgets the addresses: the memory is the tensors'.
  for (const view of [a, b, out]) disposeData(view);
}
