import type { Classifier } from '@ddpm/diffusion';
import { denoising, epsilon, hybrid, l2, labelGradient, learnedRange, trailing, uniform, vlb } from '@ddpm/diffusion';
import { prepareExecution } from '@ddpm/execution';
import { Conv2d, GroupNorm, Linear, namedParameters, silu } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import { linearSchedule } from '@ddpm/schedules';
import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs';

const rng = new Random(1);
/** A network of 2 channels of images, and what it is told of the noise. */
class Small {
  readonly conv = new Conv2d({ inChannels: 2, outChannels: 8, kernelSize: 3, padding: 1, rng });
  readonly norm = new GroupNorm({ groups: 2, channels: 8 });
  readonly time = new Linear({ inFeatures: 1, outFeatures: 8, rng });
  readonly conv2 = new Conv2d({ inChannels: 8, outChannels: 4, kernelSize: 3, padding: 1, rng });
  apply(x: tf.Tensor4D, t: tf.Tensor1D): tf.Tensor4D {
    const time = tf.reshape<tf.Rank.R4>(this.time.apply(tf.reshape(tf.div(t, 10), [-1, 1])), [-1, 1, 1, 8]);
    return this.conv2.apply(silu(tf.add(this.norm.apply(this.conv.apply(x)), time)));
  }
}
const close = (actual: ArrayLike<number>, expected: ArrayLike<number>) =>
  Array.from(expected).forEach((value, i) =>
    expect(Math.abs(actual[i] - value)).toBeLessThan(2e-4 * Math.max(1, Math.abs(value))),
  );

test.each([['hybrid', hybrid] as const, ['vlb', vlb] as const])(
  'the loss %s and its gradients are compiled as they are on the cpu backend',
  async (_, bound) => {
    const schedule = linearSchedule({ timesteps: 20 });
    const network = new Small();
    const parameters = namedParameters({ denoiser: network });
    const task = denoising({
      ...{ network, parameters, levels: uniform(schedule), loss: l2, bound: bound(trailing(schedule)) },
      parameterisation: learnedRange(epsilon),
    });
    const data = rng.integers(10 * 32, 256);
    const image = { data: Float32Array.from(data, (byte) => byte / 127.5 - 1), item: [4, 4, 2] };
    const inputs = task.draw({ image }, new Random(2));
    // Level 0, where the decoder stands, is among them.
    expect(inputs.time.data).toContain(0);
    const values = new Map([...parameters].map(([name, v]) => [name, v.dataSync<'float32'>().slice()]));
    const results = [];
    for (const name of ['compiled', 'cpu'] as const) {
      const gradients = await (await prepareExecution(name)).gradients(task, inputs);
      const { losses, gradients: slopes } = await gradients(values, inputs);
      const copied = (arrays: ReadonlyMap<string, Float32Array>) =>
        new Map([...arrays].map(([key, array]) => [key, array.slice()]));
      results.push({ losses: copied(losses), slopes: copied(slopes) });
      await gradients.dispose();
    }
    for (const part of ['losses', 'slopes'] as const)
      for (const [key, array] of results[1][part]) close(results[0][part].get(key)!, array);
    expect([...results[0].losses.keys()]).toEqual(['loss', 'simple', 'vlb']);
  },
);

test('a classifier’s gradient in x is compiled', async () => {
  const network = new Small();
  const output = new Linear({ inFeatures: 4, outFeatures: 3, rng });
  const classifier: Classifier = {
    apply: (x, t) => output.apply(tf.mean<tf.Tensor2D>(network.apply(x, t), [1, 2])),
  };
  const gradient = labelGradient(classifier);
  const parameters = namedParameters({ network, output });
  const [x, t] = [tf.tensor4d(rng.normals(5 * 32), [5, 4, 4, 2]), tf.tensor1d([0, 3, 3, 9, 19])];
  const label = tf.tensor1d([0, 2, 1, 1, 0], 'int32');
  const expected = gradient(x, t, label).dataSync();
  expect(Math.max(...expected.map(Math.abs))).toBeGreaterThan(1e-3);
  const execution = await prepareExecution('compiled');
  const compiled = await execution.compile(gradient, [x, t, label], { parameters });
  close(await (await compiled(x, t, label)).data(), expected);
  // It is of the weights as they are now.
  tf.tidy(() => output.weight.assign(tf.mul(output.weight, 2)));
  close(await (await compiled(x, t, label)).data(), gradient(x, t, label).dataSync());
  await compiled.dispose();
});
