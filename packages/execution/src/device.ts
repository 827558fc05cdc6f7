import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CompileOptions, Device } from '@ddpm/compile';
import * as tf from '@tensorflow/tfjs-core';
import { prepareCuda } from './cuda';

/** A GPU, as ONNX Runtime reaches it. */
export type Gpu = Exclude<Device, 'cpu'>;

/**
 * Computes something small on a GPU, and compares it.
 * @returns why that cannot be, in one line; undefined where it can
 */
export async function absenceOf(device: Gpu): Promise<string | undefined> {
  if (device === 'cuda') {
    const missing = prepareCuda();
    if (missing !== undefined) return missing;
  }
  try {
    const values = await run(device, [2, 2], 'portable', (product) => product.data<'float32'>());
    return values.every((value) => value === 2) ? undefined : `it computes ${values.join(', ')} instead of 2`;
  } catch (error) {
    return reasonOf(device, (error as Error).message);
  }
}

/** ONNX Runtime's message when there is no GPU, in fewer words. */
function reasonOf(device: Gpu, message: string): string {
  if (/No supported adapters|Failed to get a WebGPU adapter/.test(message))
    return 'there is no GPU with a driver for it';
  const last = message.replace(/\s+/g, ' ').trim();
  return device === 'cuda' && /shared library/.test(last)
    ? 'ONNX Runtime does not load its library for CUDA, for the reason that it gives in a line before'
    : last;
}

/** Calls a product of matrices compiled for a device. */
async function run<T>(
  device: Device,
  [n, width]: readonly [n: number, width: number],
  path: CompileOptions['path'],
  use: (product: tf.Tensor, again: () => Promise<tf.Tensor>) => Promise<T>,
): Promise<T> {
  const { compile } = await import('@ddpm/compile');
  const ones = (rows: number) => tf.ones<tf.Rank.R2>([rows, width]);
  const [x, y] = [ones(n), tf.ones<tf.Rank.R2>([width, width])];
  const product = await compile((a: tf.Tensor2D, b: tf.Tensor2D) => tf.matMul(a, b), [x, y], { device, path });
  try {
    return await use(await product(x, y), () => product(x, y));
  } finally {
    await product.dispose();
    tf.dispose([x, y]);
  }
}

/** Vendors that make graphics cards, as PCI numbers them; Intel's few cards are not told from what is in its processors. */
const cardVendors = ['0x10de', '0x1002'];

/** Whether Linux knows of a graphics card. Elsewhere nothing is known. */
export function hasCard(folder = '/sys/class/drm'): boolean {
  try {
    return readdirSync(folder)
      .filter((name) => /^card\d+$/.test(name))
      .some((name) => cardVendors.includes(readFileSync(join(folder, name, 'device', 'vendor'), 'utf8').trim()));
  } catch {
    return false;
  }
}

/** Seconds of a product of matrices on a device, once it has been made ready. */
export const secondsOn = (device: Device): Promise<number> =>
  run(device, [2048, 1024], undefined, async (_, again) => {
    const start = performance.now();
    tf.dispose(await again());
    return (performance.now() - start) / 1000;
  });
