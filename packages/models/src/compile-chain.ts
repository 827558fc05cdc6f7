import type { Condition, Denoise, NoiseSource, Sampler } from '@ddpm/diffusion';
import { chain } from '@ddpm/diffusion';
import type { Execution } from '@ddpm/execution';
import type { Batch, Variables } from '@ddpm/train';
import { dtypeOf } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs-core';

/** All of a sampler's steps in one graph; `denoise`, `sampler` and `image` are needed. */
export interface CompileChainOptions {
  /**
   * The denoising, given the condition: a function of tensors, such as `(c) => clipped(denoiser(network, { condition: c
   * }))`.
   */
  denoise: (condition: Condition) => Denoise;
  /** The way from noise to images. */
  sampler: Sampler;
  /** The shape of an image. */
  image: readonly [h: number, w: number, c: number];
  /** Examples of the condition; their values do not matter. */
  condition?: Batch;
  /** Variables that are read at each call; by default they keep the values that they have now, which is faster. */
  parameters?: Variables;
}

/** A chain that runs elsewhere, and can be freed. */
export interface CompiledChain {
  /** x_T [n, h, w, c] to x_0, which is the caller's, with the noise that `sample` would draw of `rng`. */
  (xT: tf.Tensor4D, rng: NoiseSource, condition?: Condition): Promise<tf.Tensor4D>;
  /** Frees what runs it. */
  dispose(): Promise<void>;
}

/**
 * Compiles a whole chain: the network as often as the sampler asks it, and all arithmetic between. Calls of small
 * networks take many times longer than their work, and the sampler's arithmetic in plain JavaScript as long as a small
 * U-Net's; neither is left. Opening takes longer than that of the network alone, by the number of steps.
 * @throws RangeError as `chain` does
 */
export async function compileChain(
  execution: Execution,
  { denoise, sampler, image, condition = {}, parameters }: CompileChainOptions,
): Promise<CompiledChain> {
  const names = Object.keys(condition);
  const given = names.map((name) => tf.zeros([1, ...condition[name].item], dtypeOf(condition[name])));
  const images: tf.Tensor[] = [];
  try {
    const { draws } = chain(denoise(named(names, given)), sampler);
    images.push(...Array.from({ length: 1 + draws }, () => tf.zeros([1, ...image])));
    const fn = (xT: tf.Tensor4D, ...rest: tf.Tensor[]) =>
      chain(denoise(named(names, rest.slice(draws))), sampler)(xT, ...(rest.slice(0, draws) as tf.Tensor4D[]));
    const compiled = await execution.compile(fn, [...images, ...given], { parameters });
    return Object.assign(
      async (xT: tf.Tensor4D, rng: NoiseSource, told: Condition = {}) => {
        const noise = Array.from({ length: draws }, () => tf.tensor4d(rng.normals(xT.size), xT.shape));
        try {
          return await compiled(xT, ...noise, ...names.map((name) => told[name]));
        } finally {
          tf.dispose(noise);
        }
      },
      { dispose: () => compiled.dispose() },
    );
  } finally {
    tf.dispose([given, images]);
  }
}

const named = (names: readonly string[], values: readonly tf.Tensor[]): Condition =>
  Object.fromEntries(names.map((name, i) => [name, values[i]]));
