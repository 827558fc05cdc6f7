import { corrections, replaceKernels } from './replace-kernels';

let registered = false;

/** Corrects kernels of the `cpu` backend, which must have been imported. Calling it again does nothing. */
export function registerCpuKernels(): void {
  if (registered) return;
  registered = true;
  replaceKernels('cpu', corrections);
}
