import { registerGradients } from '@ddpm/gradients';
import { expect } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { compile } from '../src/compile';

/* For tests: whether what is compiled computes what tfjs's cpu backend does, with the gradients that compiling puts in the place of its own. */
registerGradients();

type Fn = (...inputs: tf.Tensor[]) => tf.Tensor | tf.Tensor[];

/** A tensor's values, drawn without a pattern from its seed, in (−1, 1) times `scale` plus `shift`. */
export function values(shape: readonly number[], seed: number, { scale = 2, shift = 0 } = {}): tf.Tensor {
  const size = shape.reduce((product, extent) => product * extent, 1);
  const data = Float32Array.from({ length: size }, (_, i) => {
    const x = Math.sin((i + 1) * 12.9898 + (seed % 1000) * 78.233) * 43758.5453;
    return (2 * (x - Math.floor(x)) - 1) * scale + shift;
  });
  return tf.tensor(data, [...shape], 'float32');
}

function expectClose(actual: tf.Tensor, expected: tf.Tensor, label: string, tolerance: number): void {
  expect({ label, shape: actual.shape, dtype: actual.dtype }).toEqual({
    label,
    shape: expected.shape,
    dtype: expected.dtype,
  });
  const [a, b] = [actual.dataSync(), expected.dataSync()];
  const largest = Array.from(b).reduce(
    (most, value) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most),
    1,
  );
  for (let i = 0; i < b.length; i++) {
    const same = Object.is(a[i], b[i]) || a[i] === b[i] || Math.abs(a[i] - b[i]) <= tolerance * largest;
    if (!same) throw new Error(`${label}: element ${i} of [${expected.shape.join(', ')}] is ${a[i]}, expected ${b[i]}`);
  }
}

/** Compares results, and where asked gradients of a weighted sum of the float results, on both paths. */
export async function expectSame(
  fn: Fn,
  inputs: tf.Tensor[],
  { gradient = true, tolerance = 1e-5 } = {},
): Promise<void> {
  const results = (...xs: tf.Tensor[]) => {
    const result = fn(...xs);
    return Array.isArray(result) ? result : [result];
  };
  const functions: [string, (...xs: tf.Tensor[]) => tf.Tensor[]][] = [['result', results]];
  if (gradient) {
    const loss = (...xs: tf.Tensor[]) =>
      results(...xs).reduce<tf.Tensor>(
        (sum, y, i) => (y.dtype === 'float32' ? tf.add(sum, tf.sum(tf.mul(y, values(y.shape, i + 7)))) : sum),
        tf.scalar(0),
      );
    functions.push(['gradient', (...xs: tf.Tensor[]) => tf.grads((...ys: tf.Tensor[]) => loss(...ys))(xs)]);
  }
  for (const [what, body] of functions) {
    const expected = tf.tidy(() => body(...inputs));
    for (const path of ['fast', 'portable'] as const) {
      const compiled = await compile(body, inputs, { path, threads: 1 });
      const actual = await compiled(...inputs);
      try {
        actual.forEach((tensor, i) => expectClose(tensor, expected[i], `${what} ${i} on the ${path} path`, tolerance));
      } finally {
        tf.dispose(actual);
        await compiled.dispose();
      }
    }
    tf.dispose(expected);
  }
}

/** Draws cases and compares each; inputs are disposed of. */
export async function forAll<T>(cases: fc.Arbitrary<T>, run: (drawn: T) => Promise<void>, numRuns = 8): Promise<void> {
  await fc.assert(
    fc.asyncProperty(cases, async (drawn) => {
      const before = tf.memory().numTensors;
      tf.engine().startScope();
      try {
        await run(drawn);
      } finally {
        tf.engine().endScope();
      }
      expect(tf.memory().numTensors).toBe(before);
    }),
    { numRuns, seed: 1 },
  );
}
