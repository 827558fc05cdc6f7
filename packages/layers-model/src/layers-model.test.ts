import { describe, expect, test } from '@jest/globals';
import { denoising, l2, uniform } from '@ddpm/diffusion';
import { Random } from '@ddpm/random';
import { cosineSchedule } from '@ddpm/schedules';
import { eagerGradients } from '@ddpm/train';
import * as tf from '@tensorflow/tfjs';
import { networkFromLayersModel } from './index';

const { layers } = tf;
const initial = (seed: number) => tf.initializers.glorotUniform({ seed });

/** x_t [n, 4, 4, 1] and t, as the input says, through a convolution that is shifted by t. */
function denoiser({
  t = tf.input({ shape: [1], name: 't' }),
  between = [] as tf.layers.Layer[],
  conditions = [] as tf.SymbolicTensor[],
} = {}) {
  const xt = tf.input({ shape: [4, 4, 1] });
  const told = conditions.length === 0 ? t : (layers.concatenate().apply([t, ...conditions]) as tf.SymbolicTensor);
  const shift = layers.dense({ units: 3, kernelInitializer: initial(1) }).apply(told) as tf.SymbolicTensor;
  const features = layers
    .conv2d({ filters: 3, kernelSize: 3, padding: 'same', kernelInitializer: initial(2) })
    .apply(xt);
  const shifted = layers
    .add()
    .apply([
      features as tf.SymbolicTensor,
      layers.reshape({ targetShape: [1, 1, 3] }).apply(shift) as tf.SymbolicTensor,
    ]);
  const through = [...between, layers.activation({ activation: 'relu' })].reduce(
    (x, layer) => layer.apply(x) as tf.SymbolicTensor,
    shifted as tf.SymbolicTensor,
  );
  const output = layers.conv2d({ filters: 1, kernelSize: 1, kernelInitializer: initial(3) }).apply(through);
  return tf.model({ inputs: [xt, t, ...conditions], outputs: output as tf.SymbolicTensor });
}
const x = tf.tensor4d(
  Array.from({ length: 32 }, (_, i) => Math.sin(i)),
  [2, 4, 4, 1],
);
const t = tf.tensor1d([1, 5]);
const variables = ({ layers: places }: ReturnType<typeof networkFromLayersModel>) =>
  new Map(
    places.flatMap((layer, i) =>
      Object.entries(layer).map(([name, value]) => [`layers.${i}.${name}`, value as tf.Variable] as const),
    ),
  );

describe('networkFromLayersModel', () => {
  test('applies the model to x_t and t, and keeps nothing', () => {
    const model = denoiser();
    const network = networkFromLayersModel(model);
    const before = tf.memory().numTensors;
    const output = network.apply(x, t);
    expect(tf.memory().numTensors).toBe(before + 1);
    const expected = model.predict([x, tf.tensor2d([1, 5], [2, 1])]) as tf.Tensor4D;
    expect([...output.dataSync()]).toEqual([...expected.dataSync()]);
  });

  test.each<[string, () => tf.SymbolicTensor]>([
    ['[n] int32, as an embedding takes it', () => tf.input({ batchShape: [null], dtype: 'int32' })],
    ['[n, 1] int32', () => tf.input({ shape: [1], dtype: 'int32' })],
  ])('gives t as the input declares it: %s', (_, input) => {
    const t32 = input();
    const xt = tf.input({ shape: [4, 4, 1] });
    const embedded = layers
      .embedding({ inputDim: 8, outputDim: 16, embeddingsInitializer: initial(4) })
      .apply(t32) as tf.SymbolicTensor;
    const image = layers.reshape({ targetShape: [4, 4, 1] }).apply(embedded) as tf.SymbolicTensor;
    const network = networkFromLayersModel(
      tf.model({ inputs: [xt, t32], outputs: layers.add().apply([xt, image]) as tf.SymbolicTensor }),
    );
    const table = variables(network).get('layers.1.embeddings')!;
    const expected = tf.add(x, tf.reshape(tf.gather(table, tf.cast(t, 'int32')), [2, 4, 4, 1]));
    expect([...network.apply(x, t).dataSync()]).toEqual([...expected.dataSync()]);
  });

  test('gives further inputs the conditions of their names', () => {
    const label = tf.input({ shape: [2], name: 'label' });
    const model = denoiser({ conditions: [label] });
    const network = networkFromLayersModel(model);
    const labels = tf.tensor2d([1, 0, 0, 1], [2, 2]);
    const expected = model.predict([x, tf.tensor2d([1, 5], [2, 1]), labels]) as tf.Tensor4D;
    expect([...network.apply(x, t, { label: labels }).dataSync()]).toEqual([...expected.dataSync()]);
    expect(() => network.apply(x, t, { class: labels })).toThrow(
      "networkFromLayersModel: the model's input label needs a condition of this name, got class",
    );
  });

  test('names parameters by the places of their layers, whatever was made before', () => {
    const [first, second] = [denoiser(), denoiser()];
    expect(first.weights.map(({ name }) => name)).not.toEqual(second.weights.map(({ name }) => name));
    const names = [
      'layers.2.kernel',
      'layers.2.bias',
      'layers.3.kernel',
      'layers.3.bias',
      'layers.7.kernel',
      'layers.7.bias',
    ];
    for (const model of [first, second]) expect([...variables(networkFromLayersModel(model)).keys()]).toEqual(names);
  });

  test('names those of models, wrappers and both directions within', () => {
    const xt = tf.input({ shape: [4, 4, 1] });
    const t1 = tf.input({ shape: [1] });
    const inner = tf.sequential({
      layers: [layers.reshape({ inputShape: [4, 4, 1], targetShape: [4, 4] }), layers.dense({ units: 4 })],
    });
    const each = layers
      .timeDistributed({ layer: layers.dense({ units: 4 }) })
      .apply(inner.apply(xt)) as tf.SymbolicTensor;
    const both = layers.bidirectional({
      layer: layers.simpleRNN({ units: 2, returnSequences: true }),
      mergeMode: 'concat',
    });
    const time = layers
      .reshape({ targetShape: [4, 4] })
      .apply(layers.dense({ units: 16 }).apply(t1)) as tf.SymbolicTensor;
    const sum = layers.add().apply([both.apply(each) as tf.SymbolicTensor, time]) as tf.SymbolicTensor;
    const output = layers.reshape({ targetShape: [4, 4, 1] }).apply(sum) as tf.SymbolicTensor;
    const network = networkFromLayersModel(tf.model({ inputs: [xt, t1], outputs: output }));
    const paths = (value: object, path: string): string[] =>
      value instanceof tf.Tensor
        ? [path]
        : Object.entries(value).flatMap(([key, inner]) => paths(inner as object, `${path}.${key}`));
    expect(paths(network.layers, 'layers')).toEqual([
      ...['layers.1.layers.1.kernel', 'layers.1.layers.1.bias'],
      ...['layers.3.kernel', 'layers.3.bias', 'layers.4.kernel', 'layers.4.bias'],
      ...['layers.5.kernel', 'layers.5.recurrent_kernel', 'layers.5.bias'],
      ...['layers.5.kernel2', 'layers.5.recurrent_kernel2', 'layers.5.bias2'],
    ]);
    expect(network.apply(x, t).shape).toEqual([2, 4, 4, 1]);
  });

  test('has the gradients of the model', async () => {
    const network = networkFromLayersModel(denoiser());
    const parameters = variables(network);
    const task = denoising({ network, parameters, levels: uniform(cosineSchedule({ timesteps: 8 })), loss: l2 });
    const gradients = eagerGradients(task);
    const values = new Map([...parameters].map(([name, variable]) => [name, variable.dataSync<'float32'>().slice()]));
    const batch = task.draw({ image: { data: x.dataSync<'float32'>(), item: [4, 4, 1] } }, new Random(3));
    const { gradients: exact } = await gradients(values, batch);
    const h = 1e-3;
    for (const [name, i] of [
      ['layers.2.kernel', 1],
      ['layers.3.kernel', 5],
      ['layers.7.bias', 0],
    ] as const) {
      const lossAt = async (step: number) => {
        const moved = new Map(values).set(
          name,
          Float32Array.from(values.get(name)!, (value, k) => (k === i ? value + step : value)),
        );
        return (await gradients(moved, batch)).loss;
      };
      expect(exact.get(name)![i]).toBeCloseTo(((await lossAt(h)) - (await lossAt(-h))) / (2 * h), 3);
    }
  });

  test.each<[string, () => tf.LayersModel, string]>([
    [
      'a model that is not told t',
      () => {
        const xt = tf.input({ shape: [4, 4, 1], name: 'image' });
        return tf.model({
          inputs: xt,
          outputs: layers.conv2d({ filters: 1, kernelSize: 1 }).apply(xt) as tf.SymbolicTensor,
        });
      },
      "networkFromLayersModel: the model's inputs should be x_t, t and conditions, not only image",
    ],
    [
      't of several numbers',
      () => denoiser({ t: tf.input({ shape: [3] }) }),
      "networkFromLayersModel: the model's second input, t, should have the shape [n] or [n, 1], not [n, 3]",
    ],
    [
      'random numbers',
      () => denoiser({ between: [layers.dropout({ rate: 0.1, name: 'drop' })] }),
      'networkFromLayersModel: layers.6 (Dropout drop) draws random numbers in training (rate 0.1), which is not supported; leave it out',
    ],
    [
      'statistics over the batch',
      () => denoiser({ between: [layers.batchNormalization({ name: 'norm' })] }),
      'networkFromLayersModel: layers.6 (BatchNormalization norm) has weights that are not trained (moving_mean, moving_variance), which is not supported; normalise by LayerNormalization, freeze nothing',
    ],
    [
      'a regularizer',
      () => denoiser({ between: [layers.dense({ units: 3, kernelRegularizer: 'l1l2', name: 'regular' })] }),
      'networkFromLayersModel: layers.6 (Dense regular) has a regularizer, which is not supported; use weight decay',
    ],
    [
      'a constraint',
      () => denoiser({ between: [layers.dense({ units: 3, kernelConstraint: 'nonNeg', name: 'constrained' })] }),
      'networkFromLayersModel: layers.6 (Dense constrained) has a constraint on kernel, which is not supported',
    ],
  ])('refuses %s', (_, make, message) => {
    expect(() => networkFromLayersModel(make())).toThrow(new RangeError(message));
  });

  test('allows dropout that drops nothing, and layer normalisation', () => {
    const network = networkFromLayersModel(
      denoiser({ between: [layers.dropout({ rate: 0 }), layers.layerNormalization()] }),
    );
    expect(network.apply(x, t).shape).toEqual([2, 4, 4, 1]);
  });
});
