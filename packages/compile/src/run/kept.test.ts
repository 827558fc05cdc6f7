import { beforeAll, expect, jest, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs';
import type { Tensor } from 'onnxruntime-node';
import type { Shape } from '../graph';
import { vectorsOf } from '../plan/vectors';
import type * as Bound from './bound';
import type * as Ort from './ort';
import type * as GradientsModule from '../gradients';

/* WebGPU's way, on the processor: there are GPUs that this is tried on by scripts/verify-backend.mjs. */
let compileGradients: typeof GradientsModule.compileGradients;
beforeAll(async () => {
  const real: typeof Ort = await import('./ort');
  const onProcessor: typeof Ort = {
    ...real,
    openSession: (model, { device: _, locations: __, ...options }) => real.openSession(model, options),
  };
  jest.unstable_mockModule('./ort', () => onProcessor);
  const bound: typeof Bound = await import('./bound');
  const inShape = (tensor: Tensor, shape: Shape) => tensor.reshape(shape);
  jest.unstable_mockModule('./bound', () => ({ ...bound, inShape }));
  ({ compileGradients } = await import('../gradients'));
});

const value = (i: number) => Math.sin(i * 12.9898);
const w = tf.variable(tf.tensor2d(Array.from({ length: 15 }, (_, i) => value(i)), [5, 3])); // prettier-ignore
const idle = tf.variable(tf.ones([2]));
// More than are passed one by one.
const small = Array.from({ length: 33 }, (_, i) => tf.variable(tf.fill([1 + (i % 3)], value(i))));
const parameters = new Map([['w', w], ['idle', idle], ...small.map((v, i) => [`small${i}`, v] as const)]);
const centre = tf.variable(tf.scalar(0.5), false);
const loss = (x: tf.Tensor2D) => {
  const each = tf.sum(tf.square(tf.sub(tf.tanh(tf.matMul(x, w)), centre)), 1);
  return small.reduce((sum, v) => tf.add(sum, tf.mul(tf.sum(tf.square(v)), tf.mean(x, 1))), each) as tf.Tensor1D;
};
const batch = Float32Array.from({ length: 50 }, (_, i) => value(i + 7));

test('keeps parameters and momentum, and changes them as arrays are changed by the same gradients', async () => {
  const options = { frozen: new Map([['centre', centre]]), microBatch: 4 };
  const [there, here] = await Promise.all(
    (['webgpu', 'cpu'] as const).map(async (device) =>
      compileGradients(loss, parameters, [tf.zeros([10, 5])], { ...options, device }),
    ),
  );
  expect(here.keep).toBeUndefined();
  const begun = new Map([...parameters].map(([name, variable]) => [name, variable.dataSync<'float32'>().slice()]));
  const momentum = new Map([...begun].map(([name, { length }]) => [name, new Float32Array(length)]));
  const kept = await there.keep!(
    ([p, m], g, [rate]) => {
      const next = tf.add(tf.mul(m, 0.5), g);
      return [tf.sub(p, tf.mul(rate, next)), next];
    },
    [begun, momentum],
  );
  const [p, m] = structuredClone([begun, momentum]);
  for (const step of [0, 1]) {
    // Of ten, two micro-batches of four, and one of two.
    const expected = await here.run(p, [batch]);
    const found = await kept.gradients([batch]);
    const squares = [...expected.gradients.values()].flatMap((g) => [...g]).reduce((sum, g) => sum + g * g, 0);
    expect([found.loss, found.squares]).toEqual([expect.closeTo(expected.loss, 5), expect.closeTo(squares, 4)]);
    expect([...found.losses.get('loss')!]).toEqual([...expected.losses.get('loss')!].map((x) => expect.closeTo(x, 5)));
    // A gradient that is not taken is forgotten.
    if (step === 0) await kept.gradients([batch.map((x) => 2 * x)]).then(() => kept.gradients([batch]));
    await kept.update([0.1]);
    for (const [name, g] of expected.gradients) {
      const [pn, mn] = [p.get(name)!, m.get(name)!];
      for (let i = 0; i < g.length; i++) pn[i] -= 0.1 * (mn[i] = 0.5 * mn[i] + g[i]);
    }
  }
  const read = await kept.read();
  for (const [i, array] of [p, m].entries())
    for (const [name, values] of array)
      expect([name, ...read[i].get(name)!]).toEqual([name, ...[...values].map((x) => expect.closeTo(x, 5))]);
  await kept.write([begun, momentum]);
  expect(await kept.read()).toEqual([begun, momentum]);
  // Where arrays are the caller's, weights that changed are sent again, and sums come back.
  const [once, again] = [await there.run(p, [batch]), await here.run(p, [batch])];
  for (const [name, g] of again.gradients)
    expect([...once.gradients.get(name)!]).toEqual([...g].map((x) => expect.closeTo(x, 5)));
  await Promise.all([there.dispose(), here.dispose()]);
});

test('puts parameters into vectors of whole rows, none longer than a device takes but one parameter alone', () => {
  const shapes = [['a', [3]], ['b', [2, 2]], ['c', [5000]], ['d', [1]]] as const; // prettier-ignore
  expect(vectorsOf(shapes, 2048).map(({ parameters: some, length }) => [some.map(({ name, offset }) => `${name} ${offset}`), length])).toEqual([[['a 0', 'b 3'], 1024], [['c 0'], 5120], [['d 0'], 1024]]); // prettier-ignore
});
