import type { Autoencoder } from '@ddpm/autoencoder';
import { autoencoderFromConfig, loadAutoencoder } from '@ddpm/autoencoder';
import type { JsonObject } from '@ddpm/checkpoint';
import * as tf from '@tensorflow/tfjs-core';
import type { ModelFiles } from './files';
import type { Compiler } from './runner';
import { disposeAll, runner } from './runner';

/** The latents that a U-Net works on, and images. */
export interface PipelineLatents {
  readonly autoencoder: Autoencoder;
  /** Its `config.json`. */
  readonly config: JsonObject;
  /** Images [n, h, w, 3] in [−1, 1] → latents as the U-Net has them, scaled: the posterior's mean. */
  encode(images: tf.Tensor4D): Promise<tf.Tensor4D>;
  /** Such latents [n, h, w, c] → images in [−1, 1]. */
  decode(latents: tf.Tensor4D): Promise<tf.Tensor4D>;
  /** Frees what runs the autoencoder, and its weights. */
  dispose(): Promise<void>;
}

/** @throws Error in one line that says what of the files is wrong */
export function latentsOf({ config, tensors }: ModelFiles, compiler?: Compiler): PipelineLatents {
  const autoencoder = autoencoderFromConfig(config);
  try {
    loadAutoencoder(autoencoder, tensors);
  } catch (error) {
    disposeAll(autoencoder);
    throw error;
  }
  const { scalingFactor, shiftFactor } = autoencoder;
  const encoder = runner(
    autoencoder,
    (images: tf.Tensor4D) => tf.mul<tf.Tensor4D>(tf.sub(autoencoder.encode(images), shiftFactor), scalingFactor),
    compiler,
  );
  const decoder = runner(
    autoencoder,
    (latents: tf.Tensor4D) =>
      tf.clipByValue(autoencoder.decode(tf.add(tf.div(latents, scalingFactor), shiftFactor)), -1, 1),
    compiler,
  );
  return {
    ...{ autoencoder, config },
    encode: (images) => encoder.run(images),
    decode: (latents) => decoder.run(latents),
    async dispose() {
      disposeAll(autoencoder);
      await Promise.all([encoder.dispose(), decoder.dispose()]);
    },
  };
}
