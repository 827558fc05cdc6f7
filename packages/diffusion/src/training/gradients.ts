import * as tf from '@tensorflow/tfjs-core';
import type { Arrays } from './adam';
import type { TrainBatch } from './engine';

/** The mean loss of a batch, its gradient with respect to the parameters, given their current values, and the loss of each image, if known. */
export interface GradientFunction {
  (parameters: Arrays, batch: TrainBatch): Promise<{ loss: number; gradients: Arrays; losses?: Float32Array }>;
}

/**
 * A tfjs function of x_0, ε [n, h, w, c], t [n] and the condition: a scalar mean over the batch, or one loss for each image [n].
 * It reads no values and draws no random numbers, so that it can be traced.
 */
export type LossFunction = (
  xStart: tf.Tensor4D,
  noise: tf.Tensor4D,
  t: tf.Tensor1D,
  condition?: Readonly<Record<string, tf.Tensor>>,
) => tf.Tensor;

/**
 * Loss and gradients by the tfjs backend that is active. Needs tfjs's gradients: import `@tensorflow/tfjs` once in the application.
 * @param parameters the network's variables by name; they are set to the values that each call is given
 * @param imageShape [h, w, c]
 */
export function eagerGradients(
  lossFunction: LossFunction,
  parameters: ReadonlyMap<string, tf.Variable>,
  imageShape: readonly [h: number, w: number, c: number],
): GradientFunction {
  const perImage = tf.util.sizeFromShape([...imageShape]);
  return async (values, { xStart, noise, t, condition }) => {
    const n = xStart.length / perImage;
    const { value, grads, each } = tf.tidy(() => {
      let each: tf.Tensor | undefined;
      for (const [name, variable] of parameters) variable.assign(tf.tensor(values.get(name)!, variable.shape));
      const images = tf.tensor4d(xStart, [n, ...imageShape]);
      const noises = tf.tensor4d(noise, [n, ...imageShape]);
      const timesteps = tf.tensor1d(t, 'int32');
      const conditions = condition && conditionTensors(condition, n);
      const mean = () => {
        const loss = lossFunction(images, noises, timesteps, conditions);
        if (loss.rank === 1) each = tf.keep(loss);
        return tf.mean<tf.Scalar>(loss);
      };
      return { ...tf.variableGrads(mean, [...parameters.values()]), each };
    });
    try {
      const gradients = new Map<string, Float32Array>();
      for (const [name, variable] of parameters) {
        const gradient = grads[variable.name] as tf.Tensor | undefined;
        if (gradient) gradients.set(name, (await gradient.data()) as Float32Array);
      }
      return { loss: (await value.data())[0], gradients, ...(each && { losses: await each.data<'float32'>() }) };
    } finally {
      tf.dispose([value, grads, each]);
    }
  };
}

function conditionTensors(condition: NonNullable<TrainBatch['condition']>, n: number): Record<string, tf.Tensor> {
  return Object.fromEntries(
    Object.entries(condition).map(([name, data]) => [
      name,
      tf.tensor(data, data.length === n ? [n] : [n, data.length / n], data[Symbol.toStringTag] === 'Int32Array' ? 'int32' : 'float32'),
    ]),
  );
}
