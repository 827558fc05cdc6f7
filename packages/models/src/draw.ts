import type {
  AsyncNetworkFunction,
  Condition,
  Denoise,
  GuidedOptions,
  Network,
  Parameterisation,
  Prior,
  Sampler,
  SampleStep,
} from '@ddpm/diffusion';
import { clipped, denoiser, guided, sample, standard, thresholded } from '@ddpm/diffusion';
import type { NormalSource } from '@ddpm/random';
import { Random, sideBySide } from '@ddpm/random';
import type { Batch } from '@ddpm/train';
import { part, tensors } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs-core';

/** Classifier-free guidance; `scale` and `none` are needed. */
export interface Guidance extends Pick<GuidedOptions, 'scale' | 'rescale' | 'interval'> {
  /** The label of no class, which is the number of classes; or another condition of nothing, such as the empty caption's tokens. */
  readonly none: number | Batch;
}

/** Images that are drawn together, on their way from noise. */
export interface DrawnBatch {
  /** The number of the first. */
  readonly first: number;
  /** z ~ N(0, I), [n, h, w, c]; `draw` frees it. */
  readonly noise: tf.Tensor4D;
  /** x that sampling would begin with, [n, h, w, c]; `draw` frees it. */
  readonly xT: tf.Tensor4D;
  /** The network as the steps ask it. */
  readonly denoise: Denoise;
  /** The network without guidance, told another condition of as many images; the caller keeps it. */
  readonly told: (condition: Condition) => Denoise;
  /** Draws the noise of each image from its own stream. */
  readonly rng: NormalSource;
}

/** A denoiser, a sampler, and which images to draw by them. */
export interface DrawOptions {
  /** The denoiser. */
  network: Network | AsyncNetworkFunction;
  /** The meaning of its output. */
  parameterisation: Parameterisation;
  /** The way from noise to images. */
  sampler: Sampler;
  /** The shape of an image. */
  image: readonly [h: number, w: number, c: number];
  /** How many images. */
  count: number;
  /** An image's noise follows from this and its number alone. */
  seed: number;
  /** The noise of an image by its number, instead of `new Random([seed, 'sample', number])`. */
  stream?: (number: number) => NormalSource;
  /** Where x_T comes from; `standard` by default. It is given the image's label, where the condition has one. */
  prior?: Prior;
  /** The x that sampling begins with, [n, h, w, c] and new, instead of xT: a picture with noise, for example. */
  begin?: (batch: DrawnBatch) => tf.Tensor4D | Promise<tf.Tensor4D>;
  /** How many at a time; it does not change them. All by default. */
  batch?: number;
  /** The network's condition for each image: as many examples as images. */
  condition?: Batch;
  /** Guidance towards the condition; none by default. */
  guidance?: Guidance;
  /** Makes images of what was drawn, such as `decode` of `compileLatents`; by default that is the images. */
  decode?: (drawn: tf.Tensor4D) => Promise<tf.Tensor4D>;
  /** Whether every x̂_0 is kept within [−1, 1]; it is by default, but of what is decoded. */
  clip?: boolean;
  /** The quantile of dynamic thresholding, which takes the place of clipping; none by default. */
  threshold?: number;
  /** A classifier's guidance of so many images from a number on, which comes after clipping; none by default. */
  lead?: (denoise: Denoise, batch: { readonly first: number; readonly n: number }) => Denoise;
  /** Called after every step of every batch, whose first image has the number `first`, and awaited. */
  onStep?: (step: SampleStep & { readonly first: number }) => void | Promise<void>;
}

/**
 * Draws images, [count, h, w, c] in about [−1, 1], or of the shape that they are decoded to. An image depends on the seed and its number alone, not on the batch
 * that it is drawn in.
 * @throws RangeError if there is guidance and the condition lacks what its `none` stands for
 */
export async function draw({
  network,
  parameterisation,
  sampler,
  image,
  count,
  seed,
  stream = (number) => new Random([seed, 'sample', number]),
  prior = standard,
  begin,
  batch = count,
  condition,
  guidance,
  decode,
  clip = !decode,
  threshold,
  lead = (denoise) => denoise,
  onStep,
}: DrawOptions): Promise<Float32Array> {
  const nothing = guidance && noCondition(guidance.none);
  for (const name of Object.keys(nothing ?? {}))
    if (!condition?.[name]) throw new RangeError(`draw: guidance needs a condition '${name}'`);
  const size = tf.util.sizeFromShape([...image]);
  let values: Float32Array | undefined;
  for (let first = 0; first < count; first += batch) {
    const n = Math.min(batch, count - first);
    const rng = sideBySide(Array.from({ length: n }, (_, i) => stream(first + i)));
    const own = condition && part(condition, first, first + n);
    const z = rng.normals(n * size);
    const start = new Float32Array(n * size);
    for (let i = 0; i < n; i++)
      start.set(prior(z.subarray(i * size, (i + 1) * size), sampler.levels[0], own?.label?.data[i]), i * size);
    const [noise, xT] = [z, start].map((data) => tf.tensor4d(data, [n, ...image]));
    const given = own && tensors(own);
    const none = nothing && tensors(repeated(nothing, n));
    let [from, x0, made]: (tf.Tensor4D | undefined)[] = [];
    try {
      const asked =
        given && guidance && none
          ? guided(network, { ...guidance, parameterisation, condition: given, none: { ...given, ...none } })
          : denoiser(network, { parameterisation, condition: given });
      const limited = (any: Denoise) =>
        threshold !== undefined ? thresholded(any, { quantile: threshold }) : clip ? clipped(any) : any;
      const denoise = lead(limited(asked), { first, n });
      const told = (other: Condition) => limited(denoiser(network, { parameterisation, condition: other }));
      from = await begin?.({ first, noise, xT, denoise, told, rng });
      x0 = await sample(denoise, from ?? xT, { sampler, rng, onStep: (step) => onStep?.({ ...step, first }) });
      made = decode && (await decode(x0));
      const data = await (made ?? x0).data<'float32'>();
      values ??= new Float32Array((count * data.length) / n);
      values.set(data, (first * data.length) / n);
    } finally {
      tf.dispose([noise, xT, from, x0, made, Object.values(given ?? {}), Object.values(none ?? {})]);
    }
  }
  return values ?? new Float32Array(0);
}

const noCondition = (none: number | Batch): Batch =>
  typeof none === 'number' ? { label: { data: Int32Array.of(none), item: [] } } : none;

/** One example, n times. */
function repeated(example: Batch, n: number): Batch {
  return Object.fromEntries(
    Object.entries(example).map(([name, { data, item }]) => {
      const all = data instanceof Int32Array ? new Int32Array(n * data.length) : new Float32Array(n * data.length);
      for (let i = 0; i < n; i++) all.set(data, i * data.length);
      return [name, { data: all, item }];
    }),
  );
}
