import { namedParameters } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import { eagerGradients, tensors } from '@ddpm/train';
import { describe, expect, test } from '@jest/globals';
import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import makeNetwork, { Classifier, classifying } from './index';

const small = () => new Classifier({ classes: 3, channels: 2, widths: [8, 16], seed: 1 });
const images = (n: number) => new Random(2).normals(n * 7 * 6 * 2);

describe('the classifier', () => {
  test('makes features and logits of images of any size, and leaves nothing behind', () => {
    const network = small();
    const x = tf.tensor4d(images(4), [4, 7, 6, 2]);
    const before = tf.memory().numTensors;
    const features = network.features(x);
    const logits = network.apply(x);
    expect([features.shape, logits.shape, network.featureCount]).toEqual([[4, 16], [4, 3], 16]);
    const again = network.logits(features);
    expect([...again.dataSync()]).toEqual([...logits.dataSync()]);
    tf.dispose([features, logits, again]);
    expect(tf.memory().numTensors).toBe(before);
  });
  test('is the same for the same seed, and the default export makes it', () => {
    const values = (network: object) => [...namedParameters(network)].map(([name, v]) => [name, ...v.dataSync()]);
    expect(values(makeNetwork({ classes: 3, channels: 2, widths: [8, 16], seed: 1 }))).toEqual(values(small()));
    expect(values(new Classifier({ classes: 3, channels: 2, widths: [8, 16] }))).not.toEqual(values(small()));
  });
  test('names what is wrong', () => {
    expect(() => new Classifier({ classes: 3, widths: [] })).toThrow('Classifier: widths must name at least one level');
    expect(() => new Classifier({ classes: 3, widths: [12] })).toThrow('dimOut (12) must be a multiple of groups (8)');
    expect(() => small().features(tf.zeros([1, 4, 4, 3]))).toThrow('Conv2d');
  });
});

describe('classifying', () => {
  const label = { data: Int32Array.of(0, 2, 1, 1), item: [] };
  const image = { data: images(4), item: [7, 6, 2] };

  test('has the cross-entropy as its loss, and beside it whether it was right', () => {
    const logits = [
      [1, 0, -2],
      [0.5, 3, 1],
      [0, 0.1, 0],
      [9, 1, 1],
    ];
    const network = { apply: () => tf.tensor2d(logits) };
    const { loss, accuracy } = classifying({ network, parameters: new Map() }).loss(tensors({ image, label }));
    const expected = logits.map(
      (row, i) => Math.log(row.reduce((sum, z) => sum + Math.exp(z), 0)) - row[label.data[i]],
    );
    [...loss.dataSync()].forEach((value, i) => expect(value).toBeCloseTo(expected[i], 5));
    expect([...accuracy.dataSync()]).toEqual([1, 0, 1, 0]);
  });

  test('has gradients for every parameter, down which the loss falls', async () => {
    const network = small();
    const parameters = namedParameters({ classifier: network });
    const gradients = eagerGradients(classifying({ network, parameters }));
    const values = new Map([...parameters].map(([name, v]) => [name, v.dataSync<'float32'>().slice()]));
    const before = await gradients(values, { image, label });
    expect([...before.gradients.keys()].sort()).toEqual([...parameters.keys()].sort());
    let slope = 0;
    for (const [name, gradient] of before.gradients)
      gradient.forEach((g, i) => {
        slope += g * g;
        values.get(name)![i] -= 1e-3 * g;
      });
    const after = await gradients(values, { image, label });
    // By −1e-3 ‖g‖², to first order.
    expect((before.loss - after.loss) / (1e-3 * slope)).toBeCloseTo(1, 1);
  });

  test('moves each image by whole pixels and draws its edges out', () => {
    const item = [3, 4, 2];
    const data = Float32Array.from({ length: 60 * 24 }, (_, i) => i);
    const task = classifying({ network: small(), parameters: new Map(), shift: 1 });
    const rows = { image: { data, item }, label: { data: new Int32Array(60), item: [] } };
    const { image: moved } = task.draw(rows, new Random(3));
    const at = (values: ArrayLike<number>, n: number, y: number, x: number, k: number) =>
      values[((n * 3 + Math.min(Math.max(y, 0), 2)) * 4 + Math.min(Math.max(x, 0), 3)) * 2 + k];
    const seen = new Set<string>();
    for (let n = 0; n < 60; n++) {
      const found = [-1, 0, 1]
        .flatMap((dy) => [-1, 0, 1].map((dx) => [dy, dx]))
        .filter(([dy, dx]) => {
          for (let y = 0; y < 3; y++)
            for (let x = 0; x < 4; x++)
              for (let k = 0; k < 2; k++)
                if (at(moved.data, n, y, x, k) !== at(data, n, y + dy, x + dx, k)) return false;
          return true;
        });
      expect(found).toHaveLength(1);
      seen.add(found.join());
    }
    expect(seen.size).toBe(9);
    const still = classifying({ network: small(), parameters: new Map() });
    expect(still.draw(rows, new Random(3)).image).toBe(rows.image);
  });

  test('names what is wrong', () => {
    const options = { network: small(), parameters: new Map() };
    expect(() => classifying({ ...options, shift: 0.5 })).toThrow(
      'shift must be a whole number of at least 0, got 0.5',
    );
    expect(() => classifying(options).draw({ image }, new Random(1))).toThrow(
      "classifying: needs 'label' of each example, which has only image",
    );
  });
});
