import type { Autoencoder } from '@ddpm/autoencoder';
import { encodings, fromLatents } from '@ddpm/autoencoder';
import type { Execution } from '@ddpm/execution';
import type { Variables } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs-core';

/** The latents that a denoiser works on: (latents − shiftFactor) · scalingFactor of an autoencoder. */
export interface LatentsMeaning {
  /** The shape of the autoencoder's images; that of the denoiser is that of the latents. */
  readonly image: readonly [h: number, w: number, c: number];
  /** One over the latents' standard deviation. */
  readonly scalingFactor: number;
  /** Their mean. */
  readonly shiftFactor: number;
}

/** An autoencoder with its weights. */
export interface AutoencoderParts {
  /** The network. */
  readonly network: Autoencoder;
  /** Its variables by name, as in the checkpoint: `autoencoder.…`. */
  readonly parameters: Variables;
}

/** The way from images to latents and back, which runs elsewhere. */
export interface CompiledLatents {
  /** Images [n, h, w, c] in [−1, 1] → what the denoiser works on; of a KL autoencoder the mean. */
  encode(images: tf.Tensor4D): Promise<tf.Tensor4D>;
  /** Images [n, h, w, c] → `encodings` of @ddpm/autoencoder, of which latents are made. */
  encodings(images: tf.Tensor4D): Promise<tf.Tensor4D>;
  /** Latents, as drawn → images [n, h, w, c] in about [−1, 1]. */
  decode(latents: tf.Tensor4D): Promise<tf.Tensor4D>;
  /** Frees what runs them. */
  dispose(): Promise<void>;
}

/** An autoencoder's two halves as functions that are executed, each compiled when it is first asked for. */
export function compileLatents(
  execution: Execution,
  { image, scalingFactor, shiftFactor }: LatentsMeaning,
  { network: autoencoder, parameters }: AutoencoderParts,
): CompiledLatents {
  const scale = { autoencoder, scalingFactor, shiftFactor };
  const [h, w] = image;
  const item = [h / autoencoder.factor, w / autoencoder.factor, autoencoder.latentChannels] as const;
  const lazily = (fn: (x: tf.Tensor4D) => tf.Tensor4D, shape: readonly [number, number, number]) => {
    let made: ReturnType<typeof make> | undefined;
    const make = () => {
      const example = tf.zeros<tf.Rank.R4>([1, ...shape]);
      return execution.compile(fn, [example], { parameters }).finally(() => example.dispose());
    };
    return {
      run: async (x: tf.Tensor4D) => (await (made ??= make()))(x),
      dispose: async () => (await made?.catch(() => undefined))?.dispose(),
    };
  };
  const encoder = lazily(
    (images) => tf.mul<tf.Tensor4D>(tf.sub(autoencoder.encode(images), shiftFactor), scalingFactor),
    image,
  );
  const moments = lazily((images) => encodings(autoencoder, images), image);
  const decoder = lazily((latents) => fromLatents(latents, scale), item);
  return {
    encode: (images) => encoder.run(images),
    encodings: (images) => moments.run(images),
    decode: (latents) => decoder.run(latents),
    dispose: async () => void (await Promise.all([encoder.dispose(), moments.dispose(), decoder.dispose()])),
  };
}
