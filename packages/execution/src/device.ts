import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { CompileOptions, Device } from '@ddpm/compile';
import * as tf from '@tensorflow/tfjs-core';

/** A GPU, as ONNX Runtime reaches it. */
export type Gpu = Exclude<Device, 'cpu'>;

/**
 * Computes something small on a GPU, and compares it.
 * @returns why that cannot be, in one line; undefined where it can
 */
export async function absenceOf(device: Gpu): Promise<string | undefined> {
  if (device === 'cuda') {
    const missing = missingForCuda();
    if (missing) return missing;
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
    ? 'a library of CUDA or cuDNN is missing, which ONNX Runtime has named in a line before'
    : last;
}

/** ONNX Runtime's own libraries for CUDA, which its npm package downloads and Python's wheel `onnxruntime-gpu` holds. */
function missingForCuda(): string | undefined {
  const extension = { linux: 'so', win32: 'dll' }[process.platform as string];
  if (extension === undefined || process.arch !== 'x64') return 'only for Linux and Windows on x64';
  const folder = binaries();
  const prefix = extension === 'so' ? 'lib' : '';
  const missing = ['shared', 'cuda']
    .map((name) => `${prefix}onnxruntime_providers_${name}.${extension}`)
    .filter((name) => !existsSync(join(folder, name)));
  return missing.length === 0
    ? undefined
    : `${missing.join(' and ')} ${missing.length > 1 ? 'are' : 'is'} missing in ${folder}; the Python wheel onnxruntime-gpu of the same version has ${missing.length > 1 ? 'them' : 'it'} in onnxruntime/capi`;
}

/** Where ONNX Runtime's library lies. */
function binaries(): string {
  const compile = createRequire(import.meta.url).resolve('@ddpm/compile');
  const main = createRequire(compile).resolve('onnxruntime-node');
  const bin = join(dirname(main), '..', 'bin');
  const [napi] = readdirSync(bin);
  return join(bin, napi, process.platform, process.arch);
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
