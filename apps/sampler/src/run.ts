import { freemem } from 'node:os';
import { join } from 'node:path';
import { createProgress, UsageError } from '@ddpm/app-common';
import { createFolder, writeFileAtomic } from '@ddpm/checkpoint';
import type { Sampler } from '@ddpm/diffusion';
import { ancestral, ddim, karras, trailing } from '@ddpm/diffusion';
import type { Execution } from '@ddpm/execution';
import { prepareExecution } from '@ddpm/execution';
import type { ByteImage } from '@ddpm/images';
import { enlarge, imageGrid, toImages } from '@ddpm/images';
import { encodeApng } from '@ddpm/images/apng';
import { encodeGif } from '@ddpm/images/gif';
import { encodePng } from '@ddpm/images/png';
import type { Denoiser, KnownLevels } from '@ddpm/models';
import { classNumber, compileNetwork, draw, initialScale, labels } from '@ddpm/models';
import type { Batch } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs';
import { checkExportPath, exportModel } from './export';
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
  const drawn = await drawImages(model.denoiser, execution, settings, (total) =>
    createProgress({ label: 'Sampling', total }),
  );

  const folder = await createFolder(
    settings.out === undefined ? { prefix: join(model.folder, 'samples') } : { path: settings.out },
  );
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
    await writeFileAtomic(
      join(folder, 'grid.png'),
      encodePng(enlarge(imageGrid(images), Math.min(3, viewFactor(images[0])))),
    );
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

async function drawImages(
  { network, parameters, image, parameterisation, levels, ...denoiser }: Denoiser,
  execution: Execution,
  { count, seed, steps, batchSize, trajectory: wantsTrajectory, clip, ...settings }: Settings,
  createBar: (total: number) => ReturnType<typeof createProgress>,
): Promise<Drawn> {
  const condition = conditionOf({ network, ...denoiser }, count, settings.class);
  const sampler = samplerOf(levels, steps);
  const size = tf.util.sizeFromShape([...image]);
  const toByteImages = (data: Float32Array) => toImages(data, [data.length / size, ...image]);
  const length = sampler.levels.length - 1;
  const trajectory = wantsTrajectory ? new Float32Array(length * count * size) : undefined;
  const chain: ByteImage[] = [];

  const run = await compileNetwork(execution, network, { parameters, image, condition, fixed: true });
  const batch = Math.min(count, batchSize ?? fittingBatch((await run.cost()).bytes));
  const progress = createBar(Math.ceil(count / batch) * length);
  let done = 0;
  try {
    const values = await draw({
      ...{ network: run, parameterisation, sampler, image, count, seed, batch, condition, clip },
      initialScale: initialScale(levels, sampler),
      onStep: async ({ first, index, x }) => {
        const data = await x.data<'float32'>();
        if (first === 0) chain.push(...toByteImages(data.subarray(0, size)));
        trajectory?.set(data, (index * count + first) * size);
        progress.update(++done);
      },
    });
    return {
      ...{ values, shape: [count, ...image], images: toByteImages(values), chain },
      ...(trajectory && { trajectory: { data: trajectory, shape: [length, count, ...image] } }),
    };
  } finally {
    progress.stop();
    await run.dispose();
  }
}

/** Steps where there are no timesteps to take all of. */
const STEPS = 50;

/** Ancestral sampling over all timesteps, or so many steps of DDIM. */
function samplerOf({ schedule, scale }: KnownLevels, steps?: number): Sampler {
  if (!schedule) return ddim(karras(scale, steps ?? STEPS));
  return steps === undefined ? ancestral(trailing(schedule)) : ddim(trailing(schedule, steps));
}

/** The network's condition for each image: its class, where it takes one. */
function conditionOf(
  { network, classNames }: Pick<Denoiser, 'network' | 'classNames'>,
  count: number,
  asked?: string,
): Batch | undefined {
  const { conditions = [] } = network;
  const unknown = conditions.find((name) => name !== 'label');
  if (unknown !== undefined)
    throw new Error(`the model takes the condition '${unknown}', which ddpm-sample cannot give; it can give 'label'`);
  if (conditions.length === 0) {
    if (asked !== undefined) throw new UsageError(`--class is for a model that takes classes, and this one takes none`);
    return undefined;
  }
  if (!classNames) throw new Error("the model takes the condition 'label', but does not say which classes there are");
  try {
    return labels(count, {
      classes: classNames.length,
      only: asked === undefined ? undefined : classNumber(classNames, asked),
    });
  } catch (error) {
    throw new UsageError(`--class: ${(error as Error).message}`);
  }
}

/**
 * How many images at a time there is room for in a quarter of the free memory, by what the network needs for one; at
 * most 64.
 */
const fittingBatch = (bytesEach: number) => Math.max(1, Math.min(64, Math.floor(freemem() / 4 / bytesEach)));
