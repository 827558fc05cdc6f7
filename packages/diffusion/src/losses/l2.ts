import * as tf from '@tensorflow/tfjs-core';
import type { ElementLoss } from './element-loss';

/** e² */
export const l2: ElementLoss = (error) => tf.square(error);
