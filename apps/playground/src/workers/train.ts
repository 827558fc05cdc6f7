import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-core/dist/register_all_gradients';
import createNetwork from '@ddpm/adm';
import type { JsonObject } from '@ddpm/checkpoint/format';
import { encodeCheckpoint } from '@ddpm/checkpoint/format';
import { arrayDataset, examples } from '@ddpm/datasets/browser';
import { denoising, l2, stratified, velocity } from '@ddpm/diffusion';
import { toBytes } from '@ddpm/images';
import { namedParameters } from '@ddpm/layers';
import { compileNetwork, draw, meaningToJson, samplerFor, scheduleLevels } from '@ddpm/models';
import { Random } from '@ddpm/random';
import { velocityCosineSchedule } from '@ddpm/schedules';
import type { Learner } from '@ddpm/train';
import { adam, learner, learningRate, train } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs-core';
import { serve, Superseded } from '../rpc';
import type { Asked } from '../rpc';
import type { TrainingPictures } from '../training-pictures';
import { openFiles, openSheet } from '../training-pictures';
import { startExecution } from './execution';

/* Training on pictures, and what it has learned so far, drawn again and again from the same noise. */

export interface BeginRequest {
  readonly seed: number;
  readonly steps: number;
  readonly batch: number;
  readonly threads?: number;
}

/** The pictures, as a page shows them. */
export interface PicturesOpened {
  readonly name: string;
  readonly count: number;
  /** The first, [n, h, w, c] bytes. */
  readonly some: Uint8Array;
  readonly image: readonly [h: number, w: number, c: number];
}

export interface TrainNews {
  readonly step: number;
  /** The mean since the last news. */
  readonly loss: number;
  readonly stepsPerSecond: number;
  /** [count, h, w, c] bytes, where they were drawn anew. */
  readonly samples?: Uint8Array;
}

const schedule = velocityCosineSchedule({ timesteps: 1000 });
const levels = scheduleLevels(schedule);
const count = 16;

interface Run {
  readonly pictures: TrainingPictures;
  readonly request: BeginRequest;
  readonly options: JsonObject;
  readonly student: Learner;
  readonly sample: () => Promise<Uint8Array<ArrayBuffer>>;
  step: number;
  dispose(): Promise<void>;
}

let run: Run | undefined;
let pictures: TrainingPictures | undefined;

/** Opens a sheet by its name, or files. */
async function open(source: string | readonly File[]): Promise<PicturesOpened> {
  const opened = typeof source === 'string' ? await openSheet(source) : await openFiles(source);
  pictures = opened;
  const { name, pixels, image } = opened;
  const size = image[0] * image[1] * image[2];
  return { name, image, count: pixels.length / size, some: pixels.slice(0, count * size) };
}

async function begin(request: BeginRequest): Promise<{ parameters: number }> {
  if (!pictures) throw new Error('there are no pictures');
  await run?.dispose();
  const { batch, threads, seed } = request;
  const { image } = pictures;
  const execution = await startExecution({ threads });
  const options = {
    ...{ channels: image[2], seed: 0, patchSize: 2, modelChannels: 32, channelMult: [1, 2], numResBlocks: 1 },
    ...{ attentionResolutions: [2], numHeads: 4, groups: 8 },
  };
  const network = createNetwork(options);
  const parameters = namedParameters({ denoiser: network });
  const task = denoising({ network, parameters, levels: stratified(schedule), parameterisation: velocity, loss: l2 });
  const size = image[0] * image[1] * image[2];
  const example = task.draw({ image: { data: new Float32Array(batch * size), item: image } }, new Random(0));
  const gradients = await execution.gradients(task, example);
  const student = await learner({
    ...{ task, gradients, optimizer: adam({ beta2: 0.99, weightDecay: 0.01 }), clipNorm: 1, emaDecay: 0.99 },
  });
  const compiled = await compileNetwork(execution, network, { parameters, image });
  run = {
    ...{ pictures, request, options, student, step: 0 },
    async sample() {
      for (const [name, data] of await student.weights()) {
        const variable = parameters.get(name)!;
        tf.tidy(() => variable.assign(tf.tensor(data.slice(), variable.shape)));
      }
      const sampler = samplerFor({ steps: 12 }, levels);
      const values = await draw({ network: compiled, parameterisation: velocity, sampler, image, count, seed });
      return toBytes(values) as Uint8Array<ArrayBuffer>;
    },
    async dispose() {
      await Promise.all([student.dispose(), compiled.dispose()]);
    },
  };
  return { parameters: [...parameters.values()].reduce((sum, variable) => sum + variable.size, 0) };
}

async function goOn({ every }: { every: number }, { progress, check }: Asked<TrainNews>): Promise<void> {
  if (!run) throw new Error('nothing has been begun');
  const { request, student, sample } = run;
  const { pixels, image, flip } = run.pictures;
  const { batch, seed, steps } = request;
  const dataset = arrayDataset({ pixels, shape: image });
  const rate = learningRate({ base: 2e-3, warmup: 50, steps, decay: 'cosine' });
  let [since, sum, n, drawn, took] = [performance.now(), 0, 0, performance.now(), 0];
  const tell = async (again: boolean) => {
    const now = performance.now();
    const stepsPerSecond = (1000 * n) / (now - since);
    const samples = again ? await sample() : undefined;
    progress({ step: run!.step, loss: sum / Math.max(1, n), stepsPerSecond, samples }, samples ? [samples.buffer] : []);
    if (again) drawn = performance.now();
    if (again) took = drawn - now;
    [since, sum, n] = [performance.now(), 0, 0];
  };
  if (run.step === 0) await tell(true);
  const source = (start: number) => examples(dataset, { batchSize: batch, seed, start, flip: flip ? 0.5 : 0 });
  try {
    for await (const { step, loss } of train({
      learner: student,
      examples: source,
      steps,
      start: run.step,
      rate,
      seed,
    })) {
      run.step = step + 1;
      sum += loss;
      n++;
      const now = performance.now();
      // Most of the time is learning's, however slow the machine is.
      if (now - since > 500) await tell(now - drawn > Math.max(every * 1000, 3 * took));
      await check();
    }
    await tell(true);
  } catch (error) {
    if (error instanceof Superseded) await tell(true);
    throw error;
  }
}

/** A checkpoint that `ddpm-sample` opens. */
async function save(): Promise<Uint8Array> {
  if (!run) throw new Error('nothing has been begun');
  const { student, options, request, step, pictures: learned } = run;
  const { seed, steps, batch } = request;
  return encodeCheckpoint({
    networks: { denoiser: { name: '@ddpm/adm', options } },
    meaning: meaningToJson({ image: learned.image, parameterisation: velocity, levels }),
    ...{ step, settings: { seed, steps, batchSize: batch }, ...(await student.save()) },
  });
}

serve({ open, begin, train: goOn, save });
