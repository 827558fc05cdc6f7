import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Random } from '@ddpm/random';
import type { Batch, Task } from '@ddpm/train';
import { adam, learner, train } from '@ddpm/train';
import { beforeAll, describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs';
import type { Execution } from './index';
import { hasCard } from './device';
import { executionNames, prepareExecution } from './index';

const rng = new Random(4);
const batch = (n: number): Batch => ({
  image: { data: rng.normals(n * 8), item: [2, 2, 2] },
  label: { data: rng.integers(n, 3), item: [] },
});
const variable = (...shape: number[]) => tf.variable(tf.tensor(rng.normals(tf.util.sizeFromShape(shape)), shape));

/** A student of a frozen teacher, with a class embedding; its losses are several, and one term is its whole output. */
function task(): Task & { teacher: tf.Variable } {
  const [weight, shift, teacher] = [variable(8, 3), variable(3, 3), variable(8, 3)];
  return {
    teacher,
    parameters: new Map([
      ['weight', weight],
      ['shift', shift],
    ]),
    frozen: new Map([['teacher', teacher]]),
    draw: (examples, random) => ({
      ...examples,
      noise: { data: random.normals(examples.image.data.length), item: [8] },
    }),
    loss({ image, label, noise }) {
      const x = tf.add<tf.Tensor2D>(tf.reshape(image, [-1, 8]), tf.mul(noise, 0.1));
      const output = tf.add(tf.matMul(x, weight as tf.Tensor2D), tf.gather(shift, label as tf.Tensor1D));
      const error = tf.sub(output, tf.matMul(x, teacher as tf.Tensor2D));
      const distance = tf.mean<tf.Tensor1D>(tf.square(error), [1]);
      const size = tf.mean<tf.Tensor1D>(tf.abs(output), [1]);
      return { loss: tf.add<tf.Tensor1D>(distance, tf.mul(size, 0.1)), distance, size, output };
    },
  };
}
/** The examples are each other's negatives (Radford et al. 2021, figure 3, with one encoder). */
function contrastive(): Task {
  const weight = variable(8, 4);
  return {
    parameters: new Map([['weight', weight]]),
    coupled: true,
    draw: (examples) => examples,
    loss({ image }) {
      const x = tf.reshape<tf.Rank.R2>(image, [-1, 8]);
      const [a, b] = [tf.matMul(x, weight), tf.mul<tf.Tensor2D>(x, 0.5)];
      const logits = tf.matMul(a, tf.slice(b, [0, 0], [-1, 4]), false, true);
      const n = logits.shape[0];
      return { loss: tf.neg(tf.sum<tf.Tensor1D>(tf.mul(tf.logSoftmax(logits), tf.eye(n)), 1)) };
    },
  };
}
const values = ({ parameters }: Task) =>
  new Map([...parameters].map(([name, v]) => [name, v.dataSync<'float32'>().slice()]));
const close = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).forEach((value, i) => expect(Math.abs(value - b[i])).toBeLessThan(1e-5 * Math.max(1, Math.abs(b[i]))));

describe.each(['compiled', 'cpu', 'wasm'] as const)('on %s', (name) => {
  let execution: Execution;
  let reference: Execution;
  beforeAll(async () => {
    execution = await prepareExecution(name);
    reference = await prepareExecution('cpu');
    if (name === 'wasm') await tf.setBackend('wasm');
  });

  test.each([
    ['several losses, of a frozen network too', task, [7, 64]],
    ['a batch whose examples depend on each other', contrastive, [5, 20]],
  ] as const)('%s: gradients and every loss are those of the cpu backend', async (_, make, sizes) => {
    const made = make();
    const inputs = sizes.map((n) => made.draw(batch(n), new Random(n)));
    const gradients = await execution.gradients(made, inputs[0]);
    const losses = await execution.losses(made, inputs[0]);
    for (const input of inputs) {
      const expected = await (await reference.gradients(made, input))(values(made), input);
      const found = await gradients(values(made), input);
      expect([...found.losses.keys()]).toEqual([...expected.losses.keys()]);
      close([found.loss], [expected.loss]);
      for (const [key, loss] of expected.losses) close(found.losses.get(key)!, loss);
      for (const [key, gradient] of expected.gradients) close(found.gradients.get(key)!, gradient);
      expect([...found.gradients.keys()].sort()).toEqual([...made.parameters.keys()].sort());
      const validated = await losses(input);
      expect([...validated.keys()]).toEqual([...expected.losses.keys()].filter((key) => key !== 'output'));
      for (const [key, loss] of validated) close(loss, expected.losses.get(key)!);
    }
    await Promise.all([gradients.dispose(), losses.dispose()]);
  });

  test('a teacher that changes between steps is seen by the next', async () => {
    const made = task();
    const input = made.draw(batch(4), new Random(1));
    const gradients = await execution.gradients(made, input);
    await gradients(values(made), input);
    tf.tidy(() => made.teacher.assign(tf.zeros([8, 3])));
    const expected = await (await reference.gradients(made, input))(values(made), input);
    close([(await gradients(values(made), input)).loss], [expected.loss]);
    await gradients.dispose();
  });

  test('a run that goes on from what was saved ends with the same bits', async () => {
    const examples = async function* (start: number) {
      for (let step = start; ; step++) yield await Promise.resolve({ ...batchAt(step) });
    };
    const batchAt = (step: number): Batch => {
      const random = new Random(['examples', step]);
      return { image: { data: random.normals(48), item: [2, 2, 2] }, label: { data: random.integers(6, 3), item: [] } };
    };
    const initial = values(task());
    const make = async () => {
      const made = task();
      tf.tidy(() => made.teacher.assign(tf.ones([8, 3])));
      for (const [key, v] of made.parameters) tf.tidy(() => v.assign(tf.tensor(initial.get(key)!, v.shape)));
      const gradients = await execution.gradients(made, made.draw(batchAt(0), new Random(0)));
      return learner({ task: made, gradients, optimizer: adam(), emaDecay: 0.9, clipNorm: 1 });
    };
    const go = async (learning: Awaited<ReturnType<typeof make>>, start: number, steps: number) => {
      for await (const _ of train({ learner: learning, examples, start, steps, rate: 0.01, seed: 3 }));
    };
    const [whole, first, second] = [await make(), await make(), await make()];
    await go(whole, 0, 6);
    await go(first, 0, 3);
    await second.restore(await first.save());
    await go(second, 3, 6);
    expect(await second.save()).toEqual(await whole.save());
    await Promise.all([whole, first, second].map((each) => each.dispose()));
  });

  test('says what a function needs, in proportion to its size', async () => {
    const cost = (size: number) => {
      const [x, w] = [tf.zeros([1, size, size, 4]), tf.zeros<tf.Rank.R4>([3, 3, 4, 8])];
      return execution.cost((image: tf.Tensor4D) => tf.conv2d(image, w, 1, 'same'), [x]);
    };
    const [small, large] = [await cost(8), await cost(16)];
    expect(small.operations).toBe(2 * 8 * 8 * 8 * 9 * 4);
    expect(large.operations).toBe(4 * small.operations);
    expect(large.bytes).toBeGreaterThan(2 * small.bytes);
  });
});

test('compiled losses are traced once, however often the weights change', async () => {
  const execution = await prepareExecution('compiled');
  const made = task();
  let traced = 0;
  const counted: Task = { ...made, loss: (inputs) => (traced++, made.loss(inputs)) };
  const input = made.draw(batch(5), new Random(1));
  const losses = await execution.losses(counted, input);
  const after = traced;
  const found: number[] = [];
  for (const value of [0, 1, 2]) {
    tf.tidy(() => made.parameters.get('weight')!.assign(tf.fill([8, 3], value)));
    found.push((await losses(input)).get('loss')![0]);
  }
  expect(new Set(found).size).toBe(3);
  expect(traced).toBe(after);
  await losses.dispose();
});

test('compiled names a field that is missing, of another shape, or more than it was compiled for', async () => {
  const execution = await prepareExecution('compiled');
  const made = task();
  const input = made.draw(batch(4), new Random(1));
  const gradients = await execution.gradients(made, input);
  const losses = await execution.losses(made, input);
  const { noise: _, ...missing } = input;
  const wrong = { ...input, noise: { data: new Float32Array(16), item: [4] } };
  const more = { ...input, condition: { data: new Int32Array(4), item: [] } };
  for (const run of [(given: Batch) => gradients(values(made), given), losses]) {
    await expect(run(missing)).rejects.toThrow('execution: noise should be [8] of each example, and is missing');
    await expect(run(wrong)).rejects.toThrow('execution: noise should be [8] of each example, not [4]');
    await expect(run(more)).rejects.toThrow('execution: the example that was compiled has no condition');
  }
  await Promise.all([gradients.dispose(), losses.dispose()]);
});

test('auto picks what there is, and says what and why', async () => {
  const { name, reason } = await prepareExecution();
  expect(executionNames).toContain(name);
  expect(reason).toMatch(/^Backend: /);
});

test('cuda says in one line what it lacks', async () => {
  await expect(prepareExecution('cuda')).rejects.toThrow(
    /^Backend cuda cannot start: (.* (is|are) missing.*|only for .*); choose the backend compiled$/,
  );
});

test('a graphics card is one of NVIDIA or AMD', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ddpm-cards-'));
  const card = (name: string, vendor: string) => {
    mkdirSync(join(folder, name, 'device'), { recursive: true });
    writeFileSync(join(folder, name, 'device', 'vendor'), `${vendor}\n`);
  };
  expect(hasCard(join(folder, 'absent'))).toBe(false);
  card('card0', '0x8086');
  card('renderD128', '0x10de');
  expect(hasCard(folder)).toBe(false);
  card('card1', '0x1002');
  expect(hasCard(folder)).toBe(true);
  rmSync(folder, { recursive: true });
});
