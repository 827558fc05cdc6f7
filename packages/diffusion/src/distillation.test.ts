import { Random } from '@ddpm/random';
import { cosineSchedule } from '@ddpm/schedules';
import { eagerGradients, tensors } from '@ddpm/train';
import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs';
import type { Level, Network, Parameterisation } from './index';
import { clean, ddim, denoiser, distillation, edm, edmAt, epsilon, image, sample, trailing, velocity } from './index';

const schedule = cosineSchedule({ timesteps: 64 });
const ofSchedule = (steps: number) => trailing(schedule, steps);
const ofEdm = (steps: number): Level[] => [
  ...Array.from({ length: steps }, (_, i) => edmAt(8 ** (1 - (2 * i) / steps))),
  clean,
];
const examples = { image: { data: new Random(1).normals(24).map((z) => 0.3 + 0.2 * z), item: [2, 2, 1] } };

/** E[x_0 | x] of data N(0.3, 0.2²), as a network that is told which level it is at by `told`. */
function best(parameterisation: Parameterisation, levels: readonly Level[], told: (level: Level) => number): Network {
  const [mean, deviation] = [0.3, 0.2];
  return {
    apply: (x, at) => {
      const rows = Array.from(at.dataSync(), (time, i) => {
        const level = levels.find((each) => Math.abs(told(each) - time) < 1e-4)!;
        const { signal, sigma } = level;
        const own = tf.slice(x, [i, 0, 0, 0], [1, -1, -1, -1]);
        // What is given may be scaled.
        const noisy = parameterisation.input ? tf.mul(own, Math.hypot(sigma, signal * 0.5)) : own;
        const gain = (signal * deviation ** 2) / (signal ** 2 * deviation ** 2 + sigma ** 2);
        const x0 = tf.add<tf.Tensor4D>(tf.mul(tf.sub(noisy, signal * mean), gain), mean);
        const noise = tf.div<tf.Tensor4D>(tf.sub(noisy, tf.mul(x0, signal)), sigma);
        const all = { signal: tf.scalar(signal), sigma: tf.scalar(sigma), time: tf.tensor1d([time]) };
        return parameterisation.target(all, x0, noise);
      });
      return tf.concat(rows, 0);
    },
  };
}

test.each<[string, Parameterisation, (steps: number) => readonly Level[], (level: Level) => number]>([
  ['epsilon', epsilon, ofSchedule, ({ time }) => time],
  ['velocity', velocity, ofSchedule, ({ time }) => time],
  ['image', image, ofSchedule, ({ time }) => time],
  ['edm', edm(), ofEdm, ({ sigma }) => Math.log(sigma) / 4],
])('one step of DDIM to the target is two of the teacher: %s', async (_, parameterisation, levels, told) => {
  const teacher = best(parameterisation, levels(4).slice(0, -1), told);
  const asked: tf.Tensor4D[] = [];
  const student: Network = { apply: (x, t) => (asked.push(tf.keep(tf.clone(x))), teacher.apply(x, t)) };
  const task = distillation({
    ...{ network: student, parameters: new Map(), teacher, teacherParameters: new Map() },
    ...{ levels, teacherSteps: 4, parameterisation, clip: false },
  });
  const inputs = task.draw(examples, new Random(2));
  const { loss, simple } = task.loss(tensors(inputs));
  expect(new Set(inputs.fromTime.data).size).toBe(2);
  for (let i = 0; i < 6; i++) {
    const [from, middle, to] = ['from', 'middle', 'to'].map((name) => ({
      signal: inputs[`${name}Signal`].data[i],
      sigma: inputs[`${name}Sigma`].data[i],
      time: inputs[`${name}Time`].data[i],
    }));
    const row = (all: ArrayLike<number>) => tf.tensor4d(Array.from(all).slice(4 * i, 4 * i + 4), [1, 2, 2, 1]);
    const x = tf.add<tf.Tensor4D>(
      tf.mul(row(inputs.image.data), from.signal),
      tf.mul(row(inputs.noise.data), from.sigma),
    );
    const denoise = denoiser(teacher, { parameterisation });
    const rng = new Random(0);
    const two = await sample(denoise, x, { sampler: ddim([from, middle, to]), rng });
    // The student's own x̂_0, moved by what its loss says it is wrong, in the direction of the target.
    const { x0 } = await denoise(x, from);
    const kept = to.sigma / from.sigma;
    const target = tf.div(tf.sub(two, tf.mul(x, kept)), to.signal - kept * from.signal);
    expect(simple.dataSync()[i]).toBeCloseTo(tf.mean(tf.square(tf.sub(target, x0))).dataSync()[0], 6);
    const one = await sample(() => Promise.resolve({ x0: tf.clone(target) as tf.Tensor4D }), x, {
      ...{ sampler: ddim([from, to]), rng },
    });
    expect(tf.max(tf.abs(tf.sub(one, two))).dataSync()[0]).toBeLessThan(1e-5);
    expect(loss.dataSync()[i] / simple.dataSync()[i]).toBeCloseTo(Math.max(1, (from.signal / from.sigma) ** 2), 3);
  }
});

/** x̂_0 by a learned factor, and by one of each label. */
function learned(factor: number) {
  const variable = tf.variable(tf.tensor1d([factor, factor / 2]));
  const network: Network = {
    conditions: ['label'],
    apply: (x, _t, condition) =>
      tf.mul(x, tf.reshape(tf.gather(variable, condition!.label as tf.Tensor1D), [-1, 1, 1, 1])),
  };
  return { network, parameters: new Map([['denoiser.factor', variable]]), variable };
}
const labelled = { ...examples, label: { data: Int32Array.of(0, 1, 0, 1, 0, 1), item: [] } };

test('the gradient is that of finite differences with the target held, and the teacher has none', async () => {
  const [student, teacher] = [learned(0.7), learned(0.9)];
  const task = distillation({
    ...{ network: student.network, parameters: student.parameters, parameterisation: image },
    ...{ teacher: teacher.network, teacherParameters: teacher.parameters, levels: ofSchedule, teacherSteps: 8 },
  });
  const inputs = task.draw(labelled, new Random(3));
  const at = (values: number[]) => new Map([['denoiser.factor', Float32Array.from(values)]]);
  const gradients = eagerGradients(task);
  const { gradients: found } = await gradients(at([0.7, 0.35]), inputs);
  expect([...found.keys()]).toEqual(['denoiser.factor']);
  for (const i of [0, 1]) {
    const moved = async (by: number) =>
      (await gradients(at([0.7, 0.35].map((value, j) => value + (i === j ? by : 0))), inputs)).loss;
    const difference = ((await moved(0.01)) - (await moved(-0.01))) / 0.02;
    expect(found.get('denoiser.factor')![i]).toBeCloseTo(difference, 3);
  }
  expect([...task.frozen!.keys()]).toEqual(['teacher.denoiser.factor']);
});

test('after its steps a halving begins, whose teacher is the student; what is saved goes on there', () => {
  const make = () => {
    const [student, teacher] = [learned(0.7), learned(0.9)];
    const task = distillation({
      ...{ network: student.network, parameters: student.parameters, parameterisation: image },
      ...{ teacher: teacher.network, teacherParameters: teacher.parameters, levels: ofSchedule },
      ...{ teacherSteps: 8, halvings: 2, every: 3 },
    });
    return { task, teacher };
  };
  const times = (inputs: { fromTime: { data: ArrayLike<number> } }) => new Set(Array.from(inputs.fromTime.data));
  const { task, teacher } = make();
  const observe = (weights: number[]) =>
    task.observe!({}, new Map(), new Map([['denoiser.factor', Float32Array.from(weights)]]));
  const many = { ...examples, label: labelled.label };
  const drawn = () => {
    const all = Array.from({ length: 8 }, (_, seed) => [...times(task.draw(many, new Random(seed)) as never)]).flat();
    return [...new Set(all)].sort((a, b) => a - b);
  };
  expect(drawn()).toEqual([15, 31, 47, 63]);
  observe([1, 2]);
  observe([1, 2]);
  expect(drawn()).toEqual([15, 31, 47, 63]);
  const weights = new Map([['denoiser.factor', Float32Array.of(3, 4)]]);
  task.observe!({}, new Map(), weights);
  // The student's own arrays go on changing.
  weights.get('denoiser.factor')!.fill(9);
  expect([...teacher.variable.dataSync()]).toEqual([3, 4]);
  expect(drawn()).toEqual([31, 63]);
  // The last halving has no end.
  for (let i = 0; i < 9; i++) observe([5, 6]);
  expect([...teacher.variable.dataSync()]).toEqual([3, 4]);

  const other = make();
  other.task.restore!(task.state!());
  expect(other.task.state!()).toEqual(task.state!());
  expect([...other.teacher.variable.dataSync()]).toEqual([3, 4]);
  expect([...times(other.task.draw(many, new Random(0)) as never)].every((t) => t === 31 || t === 63)).toBe(true);
});

test('at a level without signal the target is what the teacher says half-way', () => {
  const dark: Level = { signal: 0, sigma: 1, time: 9 };
  const half: Level = { signal: 0.6, sigma: 0.8, time: 4 };
  const teacher: Network = { apply: (x) => tf.mul(x, 0.5) };
  const student: Network = { apply: (x) => tf.zerosLike(x) };
  const task = distillation({
    ...{ network: student, parameters: new Map(), teacher, teacherParameters: new Map() },
    ...{ levels: () => [dark, half, clean], teacherSteps: 2, parameterisation: image, clip: false },
  });
  const inputs = task.draw(examples, new Random(5));
  const simple = task.loss(tensors(inputs)).simple.dataSync();
  for (let i = 0; i < 6; i++) {
    const noise = Array.from(inputs.noise.data).slice(4 * i, 4 * i + 4);
    const expected = noise.reduce((sum, e) => sum + (0.5 * (0.6 * 0.5 * e + 0.8 * e)) ** 2 / 4, 0);
    expect(simple[i]).toBeCloseTo(expected, 5);
  }
});

test('what does not go together is refused', () => {
  const { network, parameters } = learned(1);
  const options = { network, parameters, teacher: network, teacherParameters: parameters, levels: ofSchedule };
  expect(() => distillation({ ...options, teacherSteps: 12, halvings: 3 })).toThrow(
    'distillation: 12 steps cannot be halved 3 times',
  );
  expect(() => distillation({ ...options, teacherSteps: 4, teacherParameters: new Map() })).toThrow(
    'distillation: the teacher has no denoiser.factor of [2], as the student has',
  );
  expect(() => distillation({ ...options, teacherSteps: 4 }).draw(examples, new Random(1))).toThrow(
    "distillation: the network needs 'label' of each example, which has only image",
  );
});
