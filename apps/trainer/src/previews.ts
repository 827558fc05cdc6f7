import { dirname, join } from 'node:path';
import type { Execution, ImageShape } from '@ddpm/app-common';
import { makeFolder, writeFileAtomic } from '@ddpm/checkpoint';
import type { Network } from '@ddpm/diffusion';
import { sample } from '@ddpm/diffusion';
import type { ByteImage } from '@ddpm/images';
import { enlarge, imageGrid, toImages } from '@ddpm/images';
import { encodePng } from '@ddpm/images/png';
import { Random } from '@ddpm/random';
import type { NoiseSchedule } from '@ddpm/schedules';
import * as tf from '@tensorflow/tfjs';

const COUNT = 16;

/**
 * Draws a grid of samples from the network as it is, always from the same noise, so that one grid can be compared with the next.
 * @returns the picture and its path, `previews/step-<step>.png` in the run folder
 */
export async function writePreview(
  folder: string,
  step: number,
  {
    execution,
    network,
    imageShape,
    schedule,
    seed,
  }: { execution: Execution; network: Network; imageShape: ImageShape; schedule: NoiseSchedule; seed: number },
): Promise<{ path: string; image: ByteImage; png: Uint8Array }> {
  const rng = new Random([seed, -1]);
  const shape: [number, number, number, number] = [COUNT, ...imageShape];
  const xT = tf.tensor4d(rng.normals(tf.util.sizeFromShape(shape)), shape);
  const denoiser = await execution.denoiser(network, imageShape);
  try {
    const x0 = await sample(denoiser.network, xT, { schedule, rng, clip: true });
    const values = (await x0.data()) as Float32Array;
    x0.dispose();
    const path = join(folder, 'previews', `step-${String(step).padStart(6, '0')}.png`);
    await makeFolder(dirname(path));
    const images = toImages(values, [COUNT, imageShape[0], imageShape[1], imageShape[2]]);
    const image = enlarge(imageGrid(images), 2);
    const png = encodePng(image);
    await writeFileAtomic(path, png);
    return { path, image, png };
  } finally {
    xT.dispose();
    await denoiser.dispose();
  }
}
