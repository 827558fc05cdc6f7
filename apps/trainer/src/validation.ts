import type { Execution, ImageShape } from '@ddpm/app-common';
import type { Dataset } from '@ddpm/datasets';
import type { LossName, Network } from '@ddpm/diffusion';
import { pLossesPerImage, qSample } from '@ddpm/diffusion';
import { Random } from '@ddpm/random';
import type { NoiseSchedule } from '@ddpm/schedules';
import * as tf from '@tensorflow/tfjs';

/** Some of a dataset's images, as a dataset: those from `start` on, before `end`. */
export function subset(dataset: Dataset, start: number, end: number): Dataset {
  return {
    ...dataset,
    size: end - start,
    image: (i) => dataset.image(start + i),
    ...(dataset.label && { label: (i: number) => dataset.label!(start + i) }),
  };
}

/** Images scored at a time. */
const BATCH = 64;

/**
 * The mean loss over held-out images. Image i always gets the same noise and t, and all t are visited evenly, so that the number can be
 * compared between steps and between runs.
 */
export async function validationLoss(
  dataset: Dataset,
  {
    execution,
    network,
    imageShape,
    schedule,
    loss,
  }: { execution: Execution; network: Network; imageShape: ImageShape; schedule: NoiseSchedule; loss: LossName },
): Promise<number> {
  const batch = Math.min(BATCH, dataset.size);
  const pixels = tf.util.sizeFromShape([...imageShape]);
  const denoiser = await execution.denoiser(network, imageShape);
  let sum = 0;
  try {
    for (let start = 0; start < dataset.size; start += batch) {
      const n = Math.min(batch, dataset.size - start);
      const images = new Float32Array(n * pixels);
      const noises = new Float32Array(n * pixels);
      for (let i = 0; i < n; i++) {
        images.set(
          Float32Array.from(await dataset.image(start + i), (byte) => byte / 127.5 - 1),
          i * pixels,
        );
        noises.set(new Random([0x76616c69, start + i]).normals(pixels), i * pixels);
      }
      const [x0, noise] = [tf.tensor4d(images, [n, ...imageShape]), tf.tensor4d(noises, [n, ...imageShape])];
      const t = tf.tensor1d(
        Int32Array.from({ length: n }, (_, i) => Math.floor(((start + i + 0.5) / dataset.size) * schedule.timesteps)),
        'int32',
      );
      const xt = qSample(schedule, x0, t, noise);
      const { network: run } = denoiser;
      const output = typeof run === 'function' ? await run(xt, t) : tf.tidy(() => run.apply(xt, t));
      const losses = pLossesPerImage(schedule, { apply: () => output }, x0, t, noise, { loss });
      sum += (await losses.data<'float32'>()).reduce((total, value) => total + value, 0);
      tf.dispose([x0, noise, t, xt, output, losses]);
    }
  } finally {
    await denoiser.dispose();
  }
  return sum / dataset.size;
}
