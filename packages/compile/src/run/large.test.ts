import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { modelsOf } from '../plan/program';
import { split } from '../plan/partition';
import { specOf, trace } from '../trace';
import { largeProgram, LargeExecutor } from './large';
import { weightSpecs } from './weights';

test('weights that are read one after the other give what those that are read at once do, and new ones are read', async () => {
  const filter = tf.variable(tf.randomUniform([3, 3, 8, 16], -1, 1, 'float32', 1));
  const other = tf.variable(tf.randomUniform([3, 3, 16, 8], -1, 1, 'float32', 2));
  const matrix = tf.variable(tf.randomUniform([8, 5], -1, 1, 'float32', 3));
  const variables = [filter, other, matrix];
  const fn = (x: tf.Tensor) =>
    tf.matMul(
      tf.reshape(
        tf.conv2d(tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 1, 'same'), other as tf.Tensor4D, 1, 'same'),
        [-1, 8],
      ),
      matrix,
    );
  const x = tf.randomUniform([1, 4, 4, 8], -1, 1, 'float32', 4);
  const specs = weightSpecs(variables.map((variable, i) => specOf(variable, `w${i}`)));
  const batch = [specOf(x, 'x')];
  const named = variables.map((variable, i) => [`w${i}`, variable] as const);
  const traced = trace(
    ([input]) => [fn(input)],
    batch,
    { contrib: true, block: 0, inference: true },
    { variables: named, reader: 'test' },
  );
  const ports = [...batch, ...specs].map(({ name }, i) => ({ name, value: traced.inputs[i] }));
  const outputs = [{ name: 'y', value: traced.outputs[0] }];
  const divided = split(ports.slice(0, 1), ports.slice(1), outputs, 'main');
  const results = [{ name: 'y', shape: [...traced.outputs[0].shape], dtype: 'float32' as const }];
  const program = largeProgram(divided, { id: 0, batch, results });
  // Each filter is laid out by itself.
  expect(program.parts.every(({ inputs }) => inputs.length === 1)).toBe(true);
  expect(program.parts.flatMap(({ outputs }) => outputs.map(({ name }) => name)).sort()).toEqual(
    (modelsOf(divided).prep?.outputs ?? []).map(({ name }) => name).sort(),
  );
  const executor = new LargeExecutor('test', variables, specs, { threads: 1 });
  const compare = async () => {
    const [y] = await executor.run(program, [x.dataSync<'float32'>()]);
    const expected = fn(x).dataSync();
    expect(Math.max(...expected.map((value, i) => Math.abs(value - y[i])))).toBeLessThan(1e-4);
  };
  await compare();
  await compare();
  tf.tidy(() => variables.forEach((variable) => variable.assign(tf.mul(variable, 0.5))));
  await compare();
  matrix.dispose();
  await expect(executor.run(program, [x.dataSync<'float32'>()])).rejects.toThrow('test: variable w2 has been disposed');
  await executor.close();
});
