import { Random } from '@ddpm/random';
import type { Arrays, Losses, Task } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs-core';
import type { AutoencoderVq } from './autoencoder-vq';
import type { AutoencodingOptions } from './autoencoding';
import { imageOf, imagesAlone, reconstruction } from './autoencoding';
import { stopGradient, straightThrough } from './vector-quantizer';

/** How a VQ autoencoder and its codebook are trained. */
export interface VqAutoencodingOptions extends AutoencodingOptions<AutoencoderVq> {
  /** Weight of the commitment loss, which keeps latents near their codes; 0.25 by default. */
  readonly commitmentWeight?: number;
  /**
   * The codebook follows the latents by a moving average with this decay; 0.99 by default. With `'gradient'` it is
   * learned by gradients of the codebook loss.
   */
  readonly codebookDecay?: number | 'gradient';
  /** A code is dead that is used less often than this share of what even use would be; 0.03 by default. */
  readonly deadBelow?: number;
}

/** The decay of how often codes are used, where the codebook has none of its own. */
const USE_DECAY = 0.99;

/**
 * Vector quantisation (van den Oord et al. 2017): latents are replaced by the nearest codes, gradients go straight
 * through. `loss` = `reconstruction` + commitmentWeight · `commitment`, the mean squared distance from latents to their
 * codes.
 *
 * The codebook is a moving average of the latents that are nearest to each code (appendix A.1), and belongs to the task's
 * state. Dead codes are given latents of the batch anew, as all are in the first step. `codesUsed` is the share of codes
 * that are not dead. With the codebook trained by gradients, `codebook` is its loss, and nothing is given anew.
 */
export function vqAutoencoding({
  autoencoder,
  parameters,
  error,
  commitmentWeight = 0.25,
  codebookDecay = 0.99,
  deadBelow = 0.03,
}: VqAutoencodingOptions): Task {
  const { quantize } = autoencoder;
  const variable = quantize.embedding.weight;
  const [name] = [...parameters].find(([, each]) => each === variable) ?? [];
  if (name === undefined) throw new RangeError('vqAutoencoding: the codebook is not among the parameters');
  const averaged = codebookDecay !== 'gradient';
  const decay = averaged ? codebookDecay : USE_DECAY;
  const [codes, channels] = variable.shape;

  const codebook = Float32Array.from(variable.dataSync());
  /** How often each code is used in a step, and the sum of the latents that are nearest to it, as moving averages. */
  const [uses, sums] = [new Float64Array(codes), new Float64Array(averaged ? codes * channels : 0)];
  const updates = new Float64Array(1);
  const used = new Float64Array(1);
  const codesUsed = tf.tidy(() => tf.variable(tf.scalar(0), false));
  /** Gives the variables their values. */
  const show = () =>
    tf.tidy(() => {
      codesUsed.assign(tf.scalar(used[0]));
      if (averaged) variable.assign(tf.tensor(codebook, variable.shape));
    });

  return {
    parameters: averaged ? new Map([...parameters].filter(([, each]) => each !== variable)) : parameters,
    frozen: new Map([...(averaged ? [[name, variable] as const] : []), ['codesUsed', codesUsed]]),
    draw: imagesAlone,
    loss(inputs): Losses {
      const image = imageOf(inputs);
      const latents = autoencoder.encode(image);
      const quantized = quantize.nearest(latents);
      const terms = reconstruction(image, autoencoder.decodeCodes(straightThrough(latents, quantized)), error);
      const distance = (a: tf.Tensor, b: tf.Tensor) => tf.mean<tf.Tensor1D>(tf.squaredDifference(a, b), [1, 2, 3]);
      const commitment = distance(latents, stopGradient(quantized));
      const codebookLoss = averaged ? undefined : distance(stopGradient(latents), quantized);
      const own = tf.add<tf.Tensor1D>(terms.reconstruction, tf.mul(commitment, commitmentWeight));
      return {
        loss: codebookLoss ? tf.add<tf.Tensor1D>(own, codebookLoss) : own,
        ...terms,
        commitment,
        ...(codebookLoss && { codebook: codebookLoss }),
        codesUsed: tf.mul<tf.Tensor1D>(tf.onesLike(commitment), codesUsed),
        // For observe alone.
        indices: quantize.indices(latents),
        latents,
      };
    },
    observe(_, losses) {
      const [indices, latents] = [losses.get('indices')!, losses.get('latents')!];
      const first = updates[0] === 0;
      follow(uses, sums, { indices, latents, channels, decay: first ? 0 : decay });
      const even = indices.length / codes;
      const dead = uses.map((use) => Number(use < deadBelow * even));
      used[0] = 1 - dead.reduce((sum, is) => sum + is) / codes;
      if (averaged) {
        const rng = new Random(['codes', updates[0]]);
        for (let code = 0; code < codes; code++) {
          if (first || dead[code]) {
            const latent = channels * rng.integer(indices.length);
            // So little that it soon follows what it is used for, and is soon dead again if it is not.
            uses[code] = 2 * deadBelow * even;
            for (let c = 0; c < channels; c++) sums[code * channels + c] = uses[code] * latents[latent + c];
          }
          for (let c = 0; c < channels; c++) codebook[code * channels + c] = sums[code * channels + c] / uses[code];
        }
      }
      updates[0]++;
      show();
    },
    ...(averaged && { buffers: (): Arrays => new Map([[name, codebook]]) }),
    state: () =>
      new Map<string, Float32Array | Float64Array>([
        ...Object.entries({ uses, used, updates }),
        ...(averaged ? Object.entries({ codebook, sums }) : []),
      ]),
    restore(state) {
      if (averaged) {
        codebook.set(state.get('codebook') as Float32Array);
        sums.set(state.get('sums') as Float64Array);
      }
      uses.set(state.get('uses') as Float64Array);
      used.set(state.get('used') as Float64Array);
      updates.set(state.get('updates') as Float64Array);
      show();
    },
  };
}

/** Takes what a step's latents are nearest to into the moving averages. */
function follow(
  uses: Float64Array,
  sums: Float64Array,
  step: { indices: Float32Array; latents: Float32Array; channels: number; decay: number },
): void {
  const { indices, latents, channels, decay } = step;
  for (const average of [uses, sums]) for (let i = 0; i < average.length; i++) average[i] *= decay;
  for (let i = 0; i < indices.length; i++) {
    const code = indices[i];
    uses[code] += 1 - decay;
    if (sums.length === 0) continue;
    for (let c = 0; c < channels; c++) sums[code * channels + c] += (1 - decay) * latents[i * channels + c];
  }
}
