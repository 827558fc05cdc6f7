import type { ClassifierGuidedOptions, Denoise } from '@ddpm/diffusion';
import { classifierGuided, labelGradient } from '@ddpm/diffusion';
import type { Execution } from '@ddpm/execution';
import * as tf from '@tensorflow/tfjs-core';
import type { LoadedNoisedClassifier } from './load-noised-classifier';

/** A classifier that leads what is drawn, and can be freed. */
export interface ClassifierGuidance {
  /** A `Denoise` of a batch that is led to the class of each image. */
  guide(denoise: Denoise, classes: readonly number[]): Denoise;
  /** Frees what runs the classifier. */
  dispose(): Promise<void>;
}

/**
 * Guidance by a classifier of noisy images (Dhariwal & Nichol 2021), whose gradient is executed: compiled, or eagerly.
 * @param options.scale s: 1 is p(x | y), above 1 the class counts for more
 * @param options.ancestral the chain of the sampler `ancestral`, where that is what draws
 * @throws RangeError, when a batch is guided, if a class is none of the classifier's
 */
export async function classifierGuidance(
  execution: Execution,
  { network, parameters, image, classNames }: Omit<LoadedNoisedClassifier, 'levels'>,
  options: Omit<ClassifierGuidedOptions, 'gradient'>,
): Promise<ClassifierGuidance> {
  const examples = [tf.zeros<tf.Rank.R4>([1, ...image]), tf.zeros([1]), tf.zeros([1], 'int32')];
  const gradient = await execution
    .compile(labelGradient(network), examples, { parameters })
    .finally(() => tf.dispose(examples));
  return {
    guide(denoise, classes) {
      const wrong = classes.find((label) => !Number.isInteger(label) || label < 0 || label >= classNames.length);
      if (wrong !== undefined)
        throw new RangeError(`classifierGuidance: classes are 0 to ${classNames.length - 1}, got ${wrong}`);
      return classifierGuided(denoise, {
        ...options,
        async gradient(x, { time }) {
          const [told, label] = [tf.fill<tf.Rank.R1>([x.shape[0]], time), tf.tensor1d([...classes], 'int32')];
          try {
            return await gradient(x, told, label);
          } finally {
            tf.dispose([told, label]);
          }
        },
      });
    },
    dispose: () => gradient.dispose(),
  };
}
