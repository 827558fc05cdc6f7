import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Execution, ImageShape } from '@ddpm/app-common';
import { createProgress, prepareExecution } from '@ddpm/app-common';
import type { Checkpoint } from '@ddpm/checkpoint';
import { createFolder, loadNetwork, readCheckpoint, reason, writeFileAtomic } from '@ddpm/checkpoint';
import type { Network } from '@ddpm/diffusion';
import { sample } from '@ddpm/diffusion';
import type { ByteImage } from '@ddpm/images';
import { enlarge, imageGrid, toImages } from '@ddpm/images';
import { encodeGif } from '@ddpm/images/gif';
import { encodePng } from '@ddpm/images/png';
import { loadParameters } from '@ddpm/layers';
import { Random, sideBySide } from '@ddpm/random';
import { scheduleFromBetas } from '@ddpm/schedules';
import * as tf from '@tensorflow/tfjs';
import type { Settings } from './options';

/** Images drawn at a time. */
const BATCH = 64;

const say = (line: string) => void process.stdout.write(`${line}\n`);

/** Draws images from a run folder or checkpoint, and writes them. */
export async function run(path: string, settings: Settings): Promise<void> {
  const file = await stat(path).catch((error: unknown) => {
    throw new Error(`${path} cannot be read: ${reason(error)}`, { cause: error });
  });
  const checkpointPath = file.isDirectory() ? join(path, 'checkpoint.safetensors') : path;
  const checkpoint = await readCheckpoint(checkpointPath);
  const execution = await prepareExecution(settings.backend);
  say(`Model: ${checkpoint.model.network.name} after ${checkpoint.step} steps, images of ${checkpoint.model.imageShape.join('×')}`);
  say(execution.reason);

  const network = await loadNetwork<Network>(checkpoint.model.network, [fileURLToPath(import.meta.url)]);
  loadParameters(network, checkpoint.parameters);
  const folder = await createFolder(
    settings.out === undefined ? { prefix: join(dirname(checkpointPath), 'samples') } : { path: settings.out },
  );

  const { images, chain } = await draw(network, checkpoint, execution, settings);
  const factor = Math.max(1, Math.floor(112 / Math.max(images[0].width, images[0].height)));
  const digits = String(settings.count - 1).length;
  for (const [i, image] of images.entries())
    await writeFileAtomic(join(folder, `${String(i).padStart(digits, '0')}.png`), encodePng(image));
  await writeFileAtomic(join(folder, 'grid.png'), encodePng(enlarge(imageGrid(images), Math.min(factor, 3))));
  await writeFileAtomic(
    join(folder, 'chain.gif'),
    encodeGif(
      chain.map((frame) => enlarge(frame, factor)),
      { frameMs: 50, lastFrameMs: 1000 },
    ),
  );
  say(`Images: ${settings.count} in ${folder}`);
  say(`Grid: ${join(folder, 'grid.png')}`);
  say(`Animation of the first: ${join(folder, 'chain.gif')}`);
}

/** The images, and every step of the first. An image depends on the seed and its number alone, not on the batch that it is drawn in. */
async function draw(
  network: Network,
  { model, betas }: Checkpoint,
  execution: Execution,
  { count, seed }: Settings,
): Promise<{ images: ByteImage[]; chain: ByteImage[] }> {
  const schedule = scheduleFromBetas(betas);
  const imageShape: ImageShape = model.imageShape;
  const size = tf.util.sizeFromShape([...imageShape]);
  const toByteImages = (values: Float32Array) => toImages(values, [values.length / size, imageShape[0], imageShape[1], imageShape[2]]);

  const images: ByteImage[] = [];
  const chain: ByteImage[] = [];
  const progress = createProgress({ label: 'Sampling', total: Math.ceil(count / BATCH) * schedule.timesteps });
  const denoiser = await execution.denoiser(network, imageShape, Math.min(count, BATCH));
  let done = 0;
  try {
    for (let first = 0; first < count; first += BATCH) {
      const n = Math.min(BATCH, count - first);
      const rng = sideBySide(Array.from({ length: n }, (_, i) => new Random([seed, first + i])));
      const xT = tf.tensor4d(rng.normals(n * size), [n, ...imageShape]);
      const x0 = await sample(denoiser.network, xT, {
        schedule,
        rng,
        onStep: async ({ x }) => {
          if (first === 0) chain.push(...toByteImages(((await x.data()) as Float32Array).subarray(0, size)));
          progress.update(++done);
        },
      });
      images.push(...toByteImages((await x0.data()) as Float32Array));
      tf.dispose([xT, x0]);
    }
  } finally {
    progress.stop();
    await denoiser.dispose();
  }
  return { images, chain };
}
