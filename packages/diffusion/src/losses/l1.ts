import * as tf from '@tensorflow/tfjs-core';
import type { ElementLoss } from './element-loss';

/** |e| */
export const l1: ElementLoss = (error) => tf.abs(error);
