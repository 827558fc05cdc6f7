import { prepareExecution } from '@ddpm/execution';
import type { Arrays, Task } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs';
import { expect, test } from '@jest/globals';
import { inMemory } from '../test/in-memory';
import { acrossProcesses } from './across-processes';

const weight = tf.variable(tf.tensor2d([0.1, -0.2, 0.3, 0.5, 0.7, -0.4], [3, 2]));
const task: Task = {
  parameters: new Map([['weight', weight]]),
  draw: (examples) => examples,
  loss: ({ x }) => {
    const y = tf.tanh(tf.matMul(x as tf.Tensor2D, weight as tf.Tensor2D));
    return { loss: tf.mean<tf.Tensor1D>(tf.square(y), 1), largest: tf.max<tf.Tensor1D>(y, 1) };
  },
};
const batch = (n: number) => ({
  x: { data: Float32Array.from({ length: 3 * n }, (_, i) => Math.sin(i)), item: [3] },
});
const values = (arrays: Arrays) => [...arrays].map(([name, data]) => [name, [...data]]);

/** All that an execution computes. */
async function everything(execution: Awaited<ReturnType<typeof prepareExecution>>) {
  const gradients = await execution.gradients(task, batch(600));
  const result = await gradients(new Map([['weight', weight.dataSync<'float32'>()]]), batch(601));
  const losses = await execution.losses(task, batch(7));
  const twice = await execution.compile(
    (x: tf.Tensor2D) => ({ twice: tf.mul(x, 2), positive: tf.greater(x, 0), whole: tf.cast(tf.round(x), 'int32') }),
    [tf.zeros([7, 3])],
  );
  const x = tf.tensor2d(batch(7).x.data, [7, 3]);
  // Calls that overlap; the second of fewer examples than there are processes.
  const outputs = await Promise.all([twice(x), twice(tf.slice(x, [0, 0], [1, 3]))]);
  const all = {
    ...{ loss: result.loss, gradients: values(result.gradients), each: values(result.losses) },
    losses: values(await losses(batch(7))),
    outputs: outputs.map((output) =>
      Object.entries(output).map(([name, tensor]) => [name, tensor.dtype, tensor.shape, [...tensor.dataSync()]]),
    ),
  };
  await Promise.all([gradients.dispose(), losses.dispose(), twice.dispose()]);
  return all;
}

test('each of two and three processes gets what one alone does, to the bit', async () => {
  const alone = await everything(await prepareExecution('compiled', { workers: 1 }));
  for (const size of [2, 3]) {
    const all = inMemory(size).map(async (world) =>
      everything(acrossProcesses(await prepareExecution('compiled', { workers: 1 }), world)),
    );
    for (const one of await Promise.all(all)) expect(one).toEqual(alone);
  }
});

test('says what cannot be shared', async () => {
  const [world] = inMemory(1);
  const eager = acrossProcesses(await prepareExecution('cpu'), world);
  await expect(eager.gradients(task, batch(2))).rejects.toThrow('take the backend compiled');
  const compiled = await prepareExecution('compiled', { workers: 1 });
  const coupled = acrossProcesses(compiled, world).gradients({ ...task, coupled: true }, batch(2));
  await expect(coupled).rejects.toThrow('depend on each other');
  const many = acrossProcesses(compiled, { ...world, size: 2 }).gradients(task, batch(2));
  await expect(many).rejects.toThrow('a batch of 2 examples is computed in 1 groups, too few for 2 processes');
});
