import type { Batch, Inputs, Losses, Task, Variables } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs-core';
import type { Autoencoder } from './autoencoder';
import type { AutoencoderKl } from './autoencoder-kl';
import { samplePosterior } from './autoencoder-kl';

/** How an autoencoder is trained, whichever it is; `autoencoder` and `parameters` are needed. */
export interface AutoencodingOptions<A extends Autoencoder = Autoencoder> {
  readonly autoencoder: A;
  /** Its variables by the names that a checkpoint is to have for them, as `namedParameters({ autoencoder })` gives them. */
  readonly parameters: Variables;
  /** The loss of each difference between an image and its reconstruction; its absolute value by default. */
  readonly error?: (difference: tf.Tensor) => tf.Tensor;
}

/** ‖x‖² of the largest difference that a value in [−1, 1] can have. */
const PEAK = 4;

/**
 * To give back the images that it is given. The loss of an image is its mean error, `psnr` its peak signal-to-noise
 * ratio in dB.
 */
export function autoencoding({ autoencoder, parameters, error }: AutoencodingOptions): Task {
  return {
    parameters,
    draw: imagesAlone,
    loss(inputs) {
      const image = imageOf(inputs);
      const terms = reconstruction(image, autoencoder.decode(autoencoder.encode(image)), error);
      return { loss: terms.reconstruction, psnr: terms.psnr };
    },
  };
}

/**
 * The evidence lower bound with a slight weight on its KL term, as Rombach et al. 2021 train it: images are
 * reconstructed from latents that are drawn from the posterior. `loss` = `reconstruction` + klWeight · `kl`, where `kl`
 * is KL(q(z|x) ‖ N(0, 1)) of an image in nats, divided by the number of the image's values.
 */
export function klAutoencoding({
  autoencoder,
  parameters,
  error,
  klWeight = 1e-6,
}: AutoencodingOptions<AutoencoderKl> & { readonly klWeight?: number }): Task {
  const { factor, latentChannels } = autoencoder;
  return {
    parameters,
    draw(examples, rng) {
      const { image } = imagesAlone(examples);
      const [h, w, c] = image.item;
      const item = [h / factor, w / factor, latentChannels];
      const count = (image.data.length / (h * w * c)) * item.reduce((product, size) => product * size);
      return { image, noise: { data: rng.normals(count), item } };
    },
    loss(inputs): Losses {
      const image = imageOf(inputs);
      const posterior = autoencoder.posterior(image);
      const latents = samplePosterior(posterior, inputs.noise as tf.Tensor4D);
      const terms = reconstruction(image, autoencoder.decode(latents), error);
      const { mean, logVariance } = posterior;
      const spread = tf.sub(tf.add(tf.square(mean), tf.exp(logVariance)), tf.add(logVariance, 1));
      const values = image.size / image.shape[0];
      const kl = tf.div<tf.Tensor1D>(tf.sum<tf.Tensor1D>(spread, [1, 2, 3]), 2 * values);
      return { loss: tf.add<tf.Tensor1D>(terms.reconstruction, tf.mul(kl, klWeight)), ...terms, kl };
    },
  };
}

export const imagesAlone = ({ image }: Batch) => ({ image });
export const imageOf = ({ image }: Inputs) => image as tf.Tensor4D;

/** The mean error of each image [n], and its peak signal-to-noise ratio in dB. */
export function reconstruction(
  image: tf.Tensor4D,
  decoded: tf.Tensor4D,
  error: (difference: tf.Tensor) => tf.Tensor = tf.abs,
): { reconstruction: tf.Tensor1D; psnr: tf.Tensor1D } {
  const difference = tf.sub(decoded, image);
  const squared = tf.mean<tf.Tensor1D>(tf.square(difference), [1, 2, 3]);
  // 10 log₁₀(PEAK / squared), at most 100 dB.
  const bels = tf.sub<tf.Tensor1D>(Math.log(PEAK), tf.log(tf.maximum<tf.Tensor1D>(squared, PEAK * 1e-10)));
  return {
    reconstruction: tf.mean<tf.Tensor1D>(error(difference), [1, 2, 3]),
    psnr: tf.mul<tf.Tensor1D>(bels, 10 / Math.LN10),
  };
}
