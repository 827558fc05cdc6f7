// For the tests: the same computation on the cpu backend, which is the oracle, and on another.
import { expect } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { BackendName } from '../src/backends';
import { prepareBackend } from '../src/prepare-backend';

/** Reproducible draws: a linear congruential generator (Numerical Recipes), enough to vary shapes. */
export function draws(seed: number) {
  let state = seed;
  const uniform = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  const integer = (low: number, high: number) => low + Math.floor(uniform() * (high - low + 1));
  const one = <T>(items: readonly T[]): T => items[integer(0, items.length - 1)];
  const tensor = (shape: readonly number[]): TensorSpec => ({
    shape: [...shape],
    values: Float32Array.from({ length: tf.util.sizeFromShape([...shape]) }, () => 2 * uniform() - 1),
  });
  return { uniform, integer, one, tensor };
}

export interface TensorSpec {
  readonly shape: number[];
  readonly values: Float32Array | Int32Array | Uint8Array;
  readonly dtype?: 'float32' | 'int32' | 'bool';
}

/** The backend that is compared with cpu: wasm, or what scripts/verify-tensorflow.mjs asks for. */
export const compared = (process.env.DDPM_TEST_BACKEND ?? 'wasm') as BackendName;

/**
 * TensorFlow refuses some cases: unequal strides and gradients of dilated filters depthwise, segments above the last.
 */
export const onTensorFlow = compared.startsWith('tfjs-node');

type Compute = (...tensors: never[]) => tf.Tensor | tf.Tensor[];

/** Runs it on a backend, and checks that it leaves no tensor behind but its results. */
export async function computeOn(backend: BackendName, inputs: readonly TensorSpec[], compute: Compute) {
  await prepareBackend(backend);
  const tensors = inputs.map(({ values, shape, dtype }) => tf.tensor(values, shape, dtype));
  const before = tf.memory().numTensors;
  const computed = compute(...(tensors as never[]));
  const results = Array.isArray(computed) ? computed : [computed];
  expect(tf.memory().numTensors).toBe(before + results.length);
  const read = results.map((result) => ({
    shape: result.shape,
    dtype: result.dtype,
    values: Array.from(result.dataSync()),
  }));
  tf.dispose([tensors, results]);
  return read;
}

/**
 * The greatest difference over all elements, relative to the greatest value (or 1). Sums of up to a few hundred
 * products of float32 values below 1, in another order, differ by some 1e-6 of that.
 */
export function greatestDifference(expected: readonly number[], actual: readonly number[]): number {
  const scale = expected.reduce((greatest, value) => Math.max(greatest, Math.abs(value)), 1);
  return expected.reduce((worst, value, index) => {
    const difference = Math.abs(value - actual[index]) / scale;
    return difference <= worst ? worst : difference; // NaN stays
  }, 0);
}

/**
 * The computation gives the same on the compared backend as on cpu: shapes and types exactly, values to `tolerance`.
 * `label` says which case failed.
 */
export async function expectSame(
  label: string,
  inputs: readonly TensorSpec[],
  compute: Compute,
  tolerance = 1e-5,
): Promise<void> {
  const expected = await computeOn('cpu', inputs, compute);
  const actual = await computeOn(compared, inputs, compute);
  expect(actual.map(({ shape, dtype }) => ({ label, shape, dtype }))).toEqual(
    expected.map(({ shape, dtype }) => ({ label, shape, dtype })),
  );
  for (const [index, { values }] of expected.entries()) {
    const difference = greatestDifference(values, actual[index].values);
    expect({ label, index, difference, close: difference <= tolerance }).toMatchObject({ close: true });
  }
}
