import * as tf from '@tensorflow/tfjs-core';

/** Memory and work of a function for one example. */
export interface Cost {
  /** Of memory at once, for results. */
  readonly bytes: number;
  /** Floating-point operations of its convolutions and matrix products, two for each multiplication and addition. */
  readonly operations: number;
}

/** Finds out by running a function once on the active backend. */
export async function profiled(fn: () => tf.TensorContainer): Promise<Cost> {
  const before = tf.memory().numBytes;
  const { kernels, peakBytes } = await tf.profile(() => tf.tidy(fn));
  const operations = kernels.reduce((sum, { name, inputShapes, outputShapes }) => {
    const [first, second] = inputShapes;
    return first && second && outputShapes[0] ? sum + operationsOf(name, first, second, outputShapes[0]) : sum;
  }, 0);
  return { bytes: peakBytes - before, operations };
}

function operationsOf(kernel: string, first: number[], second: number[], output: number[]): number {
  const size = tf.util.sizeFromShape(output);
  switch (kernel) {
    case 'Conv2D':
      return 2 * size * second[0] * second[1] * second[2];
    case 'DepthwiseConv2dNative':
      return 2 * size * second[0] * second[1];
    case 'Conv2DBackpropInput':
      return 2 * tf.util.sizeFromShape(first) * second[0] * second[1] * second[2];
    case 'BatchMatMul':
    case '_FusedMatMul': {
      // Rows · inner, inner · columns and rows · columns elements, so that the root of their product is rows · inner ·
      // columns.
      const batch = tf.util.sizeFromShape(first.slice(0, -2));
      return 2 * Math.sqrt((tf.util.sizeFromShape(first) * tf.util.sizeFromShape(second) * size) / batch);
    }
    default:
      return 0;
  }
}
