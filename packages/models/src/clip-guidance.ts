import type { ClassifierGuidedOptions, Denoise } from '@ddpm/diffusion';
import { classifierGuided } from '@ddpm/diffusion';
import type { Execution } from '@ddpm/execution';
import { clipGradient } from '@ddpm/text';
import * as tf from '@tensorflow/tfjs-core';
import { compileText } from './caption-vectors';
import type { LoadedClip } from './load-clip';

/** A CLIP that leads what is drawn to captions, and can be freed. */
export interface ClipGuidance {
  /** A `Denoise` of a batch that is led to the caption of each image. */
  guide(denoise: Denoise, captions: readonly string[]): Denoise;
  /** Frees what runs CLIP. */
  dispose(): Promise<void>;
}

/**
 * CLIP guidance (Nichol et al. 2021, §2.3, GLIDE): as guidance by a classifier, with the scaled product of CLIP's vectors of
 * the noisy image and of the caption in place of log p(y | x). Its gradient is executed: compiled, or eagerly. Where
 * nothing of an image is left there is nothing to lead, and but for `ancestral` such a level is left as it is.
 * @param clip one of noisy images
 * @param options.scale s: 0 is no guidance, and the more the captions count
 * @param options.ancestral the chain of the sampler `ancestral`, where that is what draws
 * @throws RangeError if CLIP knows no noisy images
 */
export async function clipGuidance(
  execution: Execution,
  clip: LoadedClip,
  options: Omit<ClassifierGuidedOptions, 'gradient'>,
): Promise<ClipGuidance> {
  if (!clip.levels) throw new RangeError('clipGuidance: expected a CLIP of noisy images, and this one knows none');
  const encoder = await compileText(execution, clip);
  const features = tf.tidy(() => clip.clip.encodeText(tf.zeros([1, clip.captions.length], 'int32')).shape[1]);
  const examples = [tf.zeros<tf.Rank.R4>([1, ...clip.image]), tf.zeros([1]), tf.zeros([1, features])];
  const gradient = await execution
    .compile(clipGradient(clip.clip), examples, { parameters: clip.parameters })
    .finally(() => tf.dispose(examples));
  return {
    guide(denoise, captions) {
      const condition = encoder.condition(captions, captions.length);
      const guided = classifierGuided(denoise, {
        ...options,
        async gradient(x, { time }) {
          const { data } = (await condition).textEmbedding;
          const [told, text] = [
            tf.fill<tf.Rank.R1>([x.shape[0]], time),
            tf.tensor2d(data as Float32Array, [captions.length, features]),
          ];
          try {
            return await gradient(x, told, text);
          } finally {
            tf.dispose([told, text]);
          }
        },
      });
      return (x, level) => (level.signal > 0 || options.ancestral ? guided : denoise)(x, level);
    },
    dispose: async () => void (await Promise.all([encoder.dispose(), gradient.dispose()])),
  };
}
