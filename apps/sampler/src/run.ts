import { freemem } from 'node:os';
import { join } from 'node:path';
import type { Execution } from '@ddpm/app-common';
import { createProgress, prepareExecution } from '@ddpm/app-common';
import { createFolder, writeFileAtomic } from '@ddpm/checkpoint';
import { ddim, ddpm, sample } from '@ddpm/diffusion';
import type { ByteImage } from '@ddpm/images';
import { enlarge, imageGrid, toImages } from '@ddpm/images';
import { encodeApng } from '@ddpm/images/apng';
import { encodeGif } from '@ddpm/images/gif';
import { encodePng } from '@ddpm/images/png';
import { Random, sideBySide } from '@ddpm/random';
import * as tf from '@tensorflow/tfjs';
import { checkExportPath, exportModel } from './export';
import type { Model } from './model';
import { loadModel } from './model';
import { encodeNpz } from './npz';
import type { Format, Settings } from './options';

const say = (line: string) => void process.stdout.write(`${line}\n`);

/** Draws images from a model, and writes them; or writes the model. */
export async function run(path: string, settings: Settings): Promise<void> {
  if (settings.export !== undefined) checkExportPath(settings.export);
  const execution = await prepareExecution(settings.backend);
  const model = await loadModel(path, settings);
  const warn = (line: string) => say(`Warning: ${line}`);
  for (const line of model.unusable) warn(line);
  say(`Model: ${model.description}`);
  if (settings.export !== undefined) {
    await exportModel(model, settings.export, warn);
    return say(`Exported: ${settings.export}`);
  }
  say(execution.reason);
  const drawn = await draw(model, execution, settings, (total) => createProgress({ label: 'Sampling', total }));

  const folder = await createFolder(settings.out === undefined ? { prefix: join(model.folder, 'samples') } : { path: settings.out });
  say(`Images: ${settings.count} in ${folder}`);
  for (const format of new Set(settings.format)) await writers[format](folder, drawn);
  if (settings.trajectory) {
    const { data, shape } = drawn.trajectory!;
    await writeFileAtomic(join(folder, 'trajectory.npz'), encodeNpz({ trajectory: { data, shape } }));
    say(`Trajectory: ${join(folder, 'trajectory.npz')}`);
  }
}

interface Drawn {
  /** [n, h, w, c] in [−1, 1]. */
  readonly values: Float32Array;
  readonly shape: readonly [n: number, h: number, w: number, c: number];
  readonly images: readonly ByteImage[];
  /** Every step of the first image. */
  readonly chain: readonly ByteImage[];
  /** Every step of every image, [steps, n, h, w, c], if asked for. */
  readonly trajectory?: { readonly data: Float32Array; readonly shape: readonly number[] };
}

/** Small images are enlarged for looking at, to about this many pixels. */
const VIEW = 112;
const viewFactor = ({ width, height }: ByteImage) => Math.max(1, Math.floor(VIEW / Math.max(width, height)));
const animation = ({ chain }: Drawn) =>
  [chain.map((frame) => enlarge(frame, viewFactor(frame))), { frameMs: 50, lastFrameMs: 1000 }] as const;

const writers: Readonly<Record<Format, (folder: string, drawn: Drawn) => Promise<void>>> = {
  async png(folder, { images }) {
    const digits = String(images.length - 1).length;
    for (const [i, image] of images.entries())
      await writeFileAtomic(join(folder, `${String(i).padStart(digits, '0')}.png`), encodePng(image));
  },
  async grid(folder, { images }) {
    await writeFileAtomic(join(folder, 'grid.png'), encodePng(enlarge(imageGrid(images), Math.min(3, viewFactor(images[0])))));
    say(`Grid: ${join(folder, 'grid.png')}`);
  },
  async gif(folder, drawn) {
    await writeFileAtomic(join(folder, 'chain.gif'), encodeGif(...animation(drawn)));
    say(`Animation of the first: ${join(folder, 'chain.gif')}`);
  },
  async apng(folder, drawn) {
    await writeFileAtomic(join(folder, 'chain.apng'), encodeApng(...animation(drawn)));
    say(`Animation of the first: ${join(folder, 'chain.apng')}`);
  },
  async npz(folder, { values, shape }) {
    await writeFileAtomic(join(folder, 'images.npz'), encodeNpz({ images: { data: values, shape } }));
    say(`Arrays: ${join(folder, 'images.npz')}`);
  },
};

/** An image depends on the seed and its number alone, not on the batch that it is drawn in. */
async function draw(
  { network, schedule, objective, imageShape }: Model,
  execution: Execution,
  { count, seed, steps, batchSize: asked, trajectory: wantsTrajectory, clip }: Settings,
  createBar: (total: number) => ReturnType<typeof createProgress>,
): Promise<Drawn> {
  const sampler = steps === undefined ? ddpm(schedule) : ddim(schedule, { steps });
  const size = tf.util.sizeFromShape([...imageShape]);
  const batch = Math.min(count, asked ?? (await fittingBatch(() => network.apply(tf.zeros([1, ...imageShape]), tf.zeros([1], 'int32')))));
  const toByteImages = (data: Float32Array) => toImages(data, [data.length / size, ...imageShape]);

  const values = new Float32Array(count * size);
  const length = sampler.timesteps.length;
  const trajectory = wantsTrajectory ? new Float32Array(length * count * size) : undefined;
  const chain: ByteImage[] = [];
  const progress = createBar(Math.ceil(count / batch) * length);
  const denoiser = await execution.denoiser(network, imageShape);
  let done = 0;
  try {
    for (let first = 0; first < count; first += batch) {
      const n = Math.min(batch, count - first);
      const rng = sideBySide(Array.from({ length: n }, (_, i) => new Random([seed, first + i])));
      const xT = tf.tensor4d(rng.normals(n * size), [n, ...imageShape]);
      const x0 = await sample(denoiser.network, xT, {
        schedule,
        objective,
        sampler,
        rng,
        clip,
        onStep: async ({ index, x }) => {
          const data = await x.data<'float32'>();
          if (first === 0) chain.push(...toByteImages(data.subarray(0, size)));
          trajectory?.set(data, (index * count + first) * size);
          progress.update(++done);
        },
      });
      values.set(await x0.data<'float32'>(), first * size);
      tf.dispose([xT, x0]);
    }
  } finally {
    progress.stop();
    await denoiser.dispose();
  }
  return {
    values,
    shape: [count, ...imageShape],
    images: toByteImages(values),
    chain,
    ...(trajectory && { trajectory: { data: trajectory, shape: [length, count, ...imageShape] } }),
  };
}

/** How many images at a time a network has room for in a quarter of the free memory, by what it needs for one; at most 64. */
async function fittingBatch(apply: () => tf.Tensor): Promise<number> {
  const { peakBytes } = await tf.profile(() => tf.tidy(apply));
  return Math.max(1, Math.min(64, Math.floor(freemem() / 4 / peakBytes)));
}
