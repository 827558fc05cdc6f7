import type { Network } from '@ddpm/diffusion';
import type { Execution } from '@ddpm/execution';
import { prepareExecution } from '@ddpm/execution';
import { namedParameters } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import { beforeAll, describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs';
import { checkNetwork } from './check-network';

const zeros = (...shape: number[]) => tf.variable(tf.zeros(shape));
const drawn = (...shape: number[]) =>
  tf.variable(tf.tensor(new Random(1).normals(tf.util.sizeFromShape(shape)), shape));
const column = (t: tf.Tensor1D) => tf.reshape(tf.div(tf.cast(t, 'float32'), 10), [-1, 1, 1, 1]);
/** A 1×1 convolution of two channels. */
const mix = (x: tf.Tensor4D, weight: tf.Variable) => tf.conv2d(x, tf.reshape(weight, [1, 1, 2, 2]), 1, 'same');

/** A network from its parameters and what it does with them. */
const network = <P extends object>(parameters: P, apply: (parameters: P, xt: tf.Tensor4D, t: tf.Tensor1D) => unknown) =>
  ({ parameters, apply: (xt: tf.Tensor4D, t: tf.Tensor1D) => apply(parameters, xt, t) }) as unknown as Network;

const usesT: Record<string, () => Network> = {
  'adds a shift for t': () =>
    network({ w: drawn(2, 2), s: drawn(1) }, ({ w, s }, x, t) => tf.add(mix(x, w), tf.mul(s, column(t)))),
  'begins with an output of zero': () => network({ w: zeros(2, 2) }, ({ w }, x, t) => mix(tf.add(x, column(t)), w)),
  'begins with zeros where t enters, and with an output of zero (adaLN-Zero)': () =>
    network({ scale: zeros(2), gate: zeros(2), w: drawn(2, 2), out: zeros(2, 2) }, ({ scale, gate, w, out }, x, t) => {
      const [modulation, opening] = [scale, gate].map((weight) => tf.mul(weight, column(t)));
      return mix(tf.add(x, tf.mul(opening, mix(tf.mul(x, tf.add(modulation, 1)), w))), out);
    }),
  'looks t up in a table of zeros': () =>
    network({ table: zeros(20, 2) }, ({ table }, x, t) =>
      tf.add(x, tf.reshape(tf.gather(table, tf.cast(t, 'int32')), [-1, 1, 1, 2])),
    ),
  'keeps its parameters in a Map': () => {
    const layers = new Map([['mix', drawn(2, 2)]]);
    return network({ layers }, (_, x, t) => mix(tf.add(x, column(t)), layers.get('mix')!));
  },
  'has nothing finite to show once its weights move': () =>
    network({ w: zeros(1), z: zeros(1) }, ({ w, z }, x, t) =>
      tf.div(tf.mul(x, tf.mul(w, column(t))), tf.sub(1, tf.abs(tf.sign(z)))),
    ),
};
const ignoresT: Record<string, () => Network> = {
  'does not look at t': () => network({ w: drawn(2, 2) }, ({ w }, x) => mix(x, w)),
  'begins with an output of zero': () =>
    network({ w: drawn(2, 2), out: zeros(2, 2) }, ({ w, out }, x) => mix(tf.relu(mix(x, w)), out)),
  "takes t's shape alone": () =>
    network({ s: drawn(1) }, ({ s }, x, t) => tf.add(x, tf.mul(s, tf.reshape(tf.onesLike(t), [-1, 1, 1, 1])))),
  'multiplies t by zero': () => network({ s: drawn(1) }, ({ s }, x, t) => tf.add(tf.mul(x, s), tf.mul(column(t), 0))),
  'divides t to an integer that is zero': () =>
    network({ s: drawn(1) }, ({ s }, x, t) => tf.add(tf.mul(x, s), tf.reshape(tf.floorDiv(t, 1000), [-1, 1, 1, 1]))),
  'makes an embedding and forgets it': () =>
    network({ w: drawn(2, 2), s: drawn(1) }, ({ w, s }, x, t) => {
      tf.mul(s, column(t));
      return mix(x, w);
    }),
};
const wrong: Record<string, [make: () => Network, message: string | RegExp]> = {
  'without parameters': [
    () => network({ width: 3 }, (_, x) => x),
    'network ./mine.mjs has no parameters: no tf.Variable is reachable through its fields',
  ],
  'with a parameter of integers': [
    () => network({ table: tf.variable(tf.tensor1d([1], 'int32')) }, (_, x) => x),
    'network ./mine.mjs: parameters must be float32, but parameters.table is int32',
  ],
  'whose output has another shape': [
    () => network({ w: drawn(2, 2) }, ({ w }, x) => tf.slice(mix(x, w), [0, 0, 0, 0], [-1, -1, -1, 1])),
    'network ./mine.mjs must return a float32 tensor shaped like x_t, [N, 4, 6, 2], not float32 [N, 4, 6, 1]',
  ],
  'whose output is integers': [
    () => network({ w: drawn(1) }, (_, x) => tf.cast(x, 'int32')),
    'network ./mine.mjs must return a float32 tensor shaped like x_t, [N, 4, 6, 2], not int32 [N, 4, 6, 2]',
  ],
  'that is asynchronous': [
    () => network({ w: drawn(1) }, (_, x) => Promise.resolve(x)),
    'network ./mine.mjs must return a float32 tensor shaped like x_t, [N, 4, 6, 2], not a promise',
  ],
  'that returns nothing': [
    () => network({ w: drawn(1) }, () => undefined),
    'network ./mine.mjs must return a float32 tensor shaped like x_t, [N, 4, 6, 2], not undefined',
  ],
  // Where it is compiled, reading the first ends it.
  'whose closure hides a parameter': [
    () => {
      const [hidden, named] = [drawn(2, 2), tf.variable(tf.zeros([2]), true, `bias${Math.random()}`)];
      return network({ w: drawn(2, 2) }, ({ w }, x, t) => tf.add(mix(mix(tf.add(x, column(t)), w), hidden), named));
    },
    /^network \.\/mine\.mjs reads variables that its fields do not reach, so they would be neither trained nor saved: \[2, 2\] \(read by Reshape\)(, "bias[\d.]+" \[2\] \(read by Add\))?; keep them in its fields .*$/,
  ],
  'that makes a parameter when it needs it': [
    () => {
      const parameters: { w: tf.Variable; late?: tf.Variable } = { w: drawn(2, 2) };
      return network(parameters, (own, x, t) => mix(tf.add(x, column(t)), (own.late ??= drawn(2, 2))));
    },
    /^network \.\/mine\.mjs makes variables while it is applied, too late to be trained or saved: \[2, 2\] \(read by Reshape\); make them before, .*$/,
  ],
  'that throws': [
    () =>
      network({ w: drawn(1) }, () => {
        throw new Error('nothing fits');
      }),
    'network ./mine.mjs cannot be applied to x_t [N, 4, 6, 2], t [N]: nothing fits',
  ],
};

describe.each(['cpu', 'compiled'] as const)('on the %s backend', (backend) => {
  let execution: Execution;
  beforeAll(async () => void (execution = await prepareExecution(backend)));
  const check = (made: Network, { told = [0, 10, 19], blind = false } = {}) =>
    checkNetwork(made, {
      name: './mine.mjs',
      parameters: namedParameters(made),
      execution,
      image: [4, 6, 2],
      told,
      blind,
    });
  const values = (made: Network) => [...namedParameters(made).values()].map((variable) => [...variable.dataSync()]);

  test.each(Object.keys(usesT))('a network that %s passes, and is as it was', async (name) => {
    const made = usesT[name]();
    const [before, tensors] = [values(made), tf.memory().numTensors];
    await check(made);
    expect(values(made)).toEqual(before);
    expect(tf.memory().numTensors).toBe(tensors);
  });

  test.each(Object.keys(ignoresT))('a network that ignores t does not: one that %s', async (name) => {
    const made = ignoresT[name]();
    const [before, tensors] = [values(made), tf.memory().numTensors];
    await expect(check(made)).rejects.toThrow(
      new Error(
        'network ./mine.mjs ignores t: whatever its parameters, its output is the same at every noise level; use t in apply(xt, t), or allow it by --blind',
      ),
    );
    expect(values(made)).toEqual(before);
    expect(tf.memory().numTensors).toBe(tensors);
    await check(made, { blind: true });
    await check(made, { told: [0, 0, 0] });
  });

  // A compiled network is tried on several images at a time.
  test.each(Object.keys(wrong))('a network %s is refused', async (name) => {
    const [make, message] = wrong[name];
    const error = await check(make()).then(
      () => 'none',
      ({ message: said }: Error) => said,
    );
    if (typeof message === 'string') expect(error).toBe(message.replaceAll('N', backend === 'cpu' ? '1' : '8'));
    else expect(error).toMatch(message);
  });

  test('a network that does not know the class it is given is refused', async () => {
    const table = drawn(3);
    const made: Network & { table: tf.Variable } = {
      table,
      conditions: ['label'],
      apply: (x, t, condition) =>
        tf.add(tf.add(x, column(t)), tf.reshape(tf.gather(table, condition!.label as tf.Tensor1D), [-1, 1, 1, 1])),
    };
    const checkClass = (last: number) =>
      checkNetwork(made, {
        ...{
          name: './mine.mjs',
          parameters: namedParameters(made),
          execution,
          image: [4, 6, 2],
          told: [0, 10, 19],
          blind: false,
        },
        condition: { label: { data: Int32Array.of(last), item: [] } },
      });
    await checkClass(2);
    const before = tf.memory().numTensors;
    await expect(checkClass(3)).rejects.toThrow(
      /^network \.\/mine\.mjs cannot be applied to x_t \[1, 4, 6, 2\], t \[1\], label 3: .*\b2\]/,
    );
    expect(tf.memory().numTensors).toBe(before);
  });
});
