import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-core/dist/register_all_gradients';
import { denoiser, denoising, l2, levelAt, stratified, velocity } from '@ddpm/diffusion';
import { Linear, namedParameters, silu, sinusoidalEmbedding } from '@ddpm/layers';
import type { CompiledNetwork } from '@ddpm/models';
import { compileNetwork, draw, samplerFor, scheduleLevels } from '@ddpm/models';
import { Random } from '@ddpm/random';
import { velocityCosineSchedule } from '@ddpm/schedules';
import { adam, learner, learningRate, train } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs-core';
import { serve } from '../rpc';
import type { Asked } from '../rpc';
import { startExecution } from './execution';

/* Points of a plane as images of one pixel with two channels: everything that holds for images holds for them. */

const schedule = velocityCosineSchedule({ timesteps: 1000 });
const levels = scheduleLevels(schedule);
const image = [1, 1, 2] as const;
const [width, batch] = [128, 512];
/** The network's points are so many times the page's, so that they spread about as far as noise. */
const scale = 2;
/** Of the waves in a point's place that the network is told, beside the place itself: what lies close differs in them. */
const frequencies = [1, 2, 4, 8];

class PointNetwork {
  readonly enter: Linear;
  readonly hidden: Linear;
  readonly leave: Linear;

  constructor(rng: Random) {
    const linear = (inFeatures: number, outFeatures: number) => new Linear({ inFeatures, outFeatures, rng });
    this.enter = linear(2 + 4 * frequencies.length + 32, width);
    this.hidden = linear(width, width);
    this.leave = linear(width, 2);
  }

  apply(x: tf.Tensor4D, t: tf.Tensor1D): tf.Tensor4D {
    const [n] = x.shape;
    const time = sinusoidalEmbedding(t, { dim: 32 });
    const place = tf.reshape(x, [n, 2]);
    const waves = frequencies.flatMap((frequency) => {
      const angle = tf.mul(place, frequency);
      return [tf.sin(angle), tf.cos(angle)];
    });
    const entered = silu(this.enter.apply(tf.concat([place, ...waves, time], 1)));
    const h = tf.add(entered, silu(this.hidden.apply(entered)));
    return tf.reshape(this.leave.apply(h), [n, 1, 1, 2]);
  }
}

export interface TrainRequest {
  /** [n, 2], in [−1, 1]. */
  readonly points: Float32Array;
  readonly steps: number;
  readonly seed: number;
  /** The points to draw on the way. */
  readonly preview: SampleRequest;
}

export interface TrainProgress {
  readonly step: number;
  readonly loss: number;
  readonly ways?: Ways;
}

export interface SampleRequest {
  readonly sampler: string;
  readonly steps?: number;
  readonly count: number;
  readonly seed: number;
}

/** Where the points are after each step, from noise on, and where x̂_0 was at each: [steps + 1][count, 2]. */
export interface Ways {
  readonly xs: readonly Float32Array[];
  readonly x0s: readonly Float32Array[];
  /** t/T at each. */
  readonly times: readonly number[];
}

const network = new PointNetwork(new Random([0, 'points']));
const parameters = namedParameters({ denoiser: network });
const initial = [...parameters].map(([name, variable]) => [name, variable.dataSync<'float32'>().slice()] as const);
let compiled: Promise<CompiledNetwork> | undefined;
const execution = startExecution({ threads: 1 });

const assign = (weights: Iterable<readonly [string, Float32Array]>) => {
  for (const [name, data] of weights) {
    const variable = parameters.get(name)!;
    tf.tidy(() => variable.assign(tf.tensor(data.slice(), variable.shape)));
  }
};

/** The points again and again, in an order that follows from the step. */
async function* batches(points: Float32Array, seed: number, start: number) {
  const n = points.length / 2;
  for (let step = start; ; step++) {
    const rng = new Random([seed, 'batch', step]);
    const data = new Float32Array(batch * 2);
    for (let i = 0; i < batch; i++) {
      const from = Math.min(n - 1, Math.floor(rng.uniform() * n));
      data.set(points.subarray(2 * from, 2 * from + 2), 2 * i);
    }
    yield { image: { data, item: image } };
    await Promise.resolve();
  }
}

async function learn(
  { points: onPage, steps, seed, preview }: TrainRequest,
  asked: Asked<TrainProgress>,
): Promise<void> {
  assign(initial);
  const points = onPage.map((v) => v * scale);
  const task = denoising({ network, parameters, levels: stratified(schedule), parameterisation: velocity, loss: l2 });
  const first = task.draw({ image: { data: new Float32Array(2 * batch), item: image } }, new Random(0));
  const gradients = await (await execution).gradients(task, first);
  const student = await learner({ task, gradients, optimizer: adam({ beta2: 0.95 }), emaDecay: 0.99 });
  try {
    const rate = learningRate({ base: 0.03, warmup: 20, steps, decay: 'cosine' });
    const { progress, check } = asked;
    let [told, shown, took] = [0, -Infinity, 0];
    for await (const { step, loss } of train({
      learner: student,
      examples: (start) => batches(points, seed, start),
      steps,
      rate,
      seed,
    })) {
      if (performance.now() - told < 100 && step < steps - 1) continue;
      told = performance.now();
      await check();
      let ways: Ways | undefined;
      // Most of the time is learning's, however slow the machine is.
      if (told - shown > Math.max(600, 4 * took)) {
        assign(await student.weights());
        ways = await walk(preview, asked);
        shown = performance.now();
        took = shown - told;
      }
      progress({ step: step + 1, loss, ways });
    }
  } finally {
    assign(await student.weights());
    await student.dispose();
  }
}

const toPage = (values: Float32Array) => values.map((v) => v / scale);

async function walk(
  { sampler: name, steps, count, seed }: SampleRequest,
  { check }: Pick<Asked<never>, 'check'>,
): Promise<Ways> {
  compiled ??= execution.then((some) => compileNetwork(some, network, { parameters, image }));
  const sampler = samplerFor({ sampler: name, steps }, levels);
  const xs: Float32Array[] = [];
  const x0s: Float32Array[] = [];
  await draw({
    ...{ network: await compiled, parameterisation: velocity, sampler, image, count, seed, clip: false },
    begin({ xT }) {
      xs.push(toPage(xT.dataSync<'float32'>()));
      return tf.clone(xT);
    },
    async onStep({ index, x, x0 }) {
      xs.push(toPage(await x.data<'float32'>()));
      x0s.push(toPage(await x0.data<'float32'>()));
      if (index % 8 === 0) await check();
    },
  });
  x0s.push(xs[xs.length - 1]);
  const angle = ({ signal, sigma }: { signal: number; sigma: number }) => Math.atan2(sigma, signal) / (Math.PI / 2);
  return { xs, x0s, times: sampler.levels.map(angle) };
}

/** Where the network would take points of a grid at a level: x̂_0 of each. */
async function field({ time, side }: { time: number; side: number }): Promise<{ at: Float32Array; x0: Float32Array }> {
  compiled ??= execution.then((some) => compileNetwork(some, network, { parameters, image }));
  const run = await compiled;
  const index = Math.round(Math.min(0.999, Math.max(0.02, time)) * (schedule.timesteps - 1));
  const level = levelAt(schedule, index);
  const at = Float32Array.from({ length: side * side * 2 }, (_, i) => {
    const cell = i >> 1;
    return ((((i & 1 ? Math.floor(cell / side) : cell % side) + 0.5) / side) * 2 - 1) * 1.6 * scale;
  });
  const x = tf.tensor4d(at, [side * side, ...image]);
  const { x0 } = await denoiser(run, { parameterisation: velocity })(x, level);
  const values = toPage(x0.dataSync<'float32'>());
  tf.dispose([x, x0]);
  return { at: toPage(at), x0: values };
}

serve({ train: learn, walk, 'walk again': walk, field });
