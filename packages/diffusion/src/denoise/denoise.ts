import type * as tf from '@tensorflow/tfjs-core';
import type { Level } from '../levels/level';
import type { Prediction } from '../parameterisations/parameterisation';

/**
 * x̂_0 of a batch x [n, h, w, c] that is all at one level. What it gives is the caller's. Clipping, guidance,
 * thresholding, inpainting are functions from one to another.
 */
export type Denoise = (x: tf.Tensor4D, level: Level) => Promise<Prediction>;
