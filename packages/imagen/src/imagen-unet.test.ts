import { namedParameters } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { imagenUnet } from './index';

const features = 6;
const network = imagenUnet({
  ...{ textFeatures: features, contextWidth: 4, imageChannels: 1, modelChannels: 4, channelMult: [1] },
  ...{ numResBlocks: 1, attentionResolutions: [1], groups: 2, numHeads: 2 },
});
// So that no weight is 0.
[...namedParameters(network).values()].forEach((variable, k) =>
  tf.tidy(() =>
    variable.assign(tf.add(variable, tf.mul(tf.tensor(new Random(k).normals(variable.size), variable.shape), 0.3))),
  ),
);
const x = tf.tensor4d(new Random(1).normals(16), [1, 4, 4, 1]);
const says = (text: Float32Array, present: readonly number[], length = 3) =>
  tf.tidy(() => [
    ...network
      .apply(x, tf.tensor1d([4]), {
        text: tf.tensor3d(text, [1, length, features]),
        present: tf.tensor2d([...present], [1, length]),
      })
      .dataSync(),
  ]);

test('hears each token of a caption, by attention and by their mean, and nothing of padding', () => {
  const text = new Random(2).normals(3 * features);
  const whole = says(text, [1, 1, 1]);
  const changed = (at: number) => text.map((value, i) => (Math.floor(i / features) === at ? -value : value));
  for (const at of [0, 1, 2]) expect(says(changed(at), [1, 1, 1])).not.toEqual(whole);
  const short = says(text, [1, 1, 0]);
  expect(short).not.toEqual(whole);
  expect(says(changed(2), [1, 1, 0])).toEqual(short);
  expect(says(changed(1), [1, 1, 0])).not.toEqual(short);
  expect(network.conditions).toEqual(['text', 'present']);
});

test('leaves nothing behind', () => {
  const before = tf.memory().numTensors;
  says(new Float32Array(3 * features), [0, 0, 0]);
  expect(tf.memory().numTensors).toBe(before);
});
