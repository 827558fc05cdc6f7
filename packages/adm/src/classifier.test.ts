import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { AdmClassifierOptions } from './index';
import { AdmClassifier, admFromGuidedDiffusion } from './index';

const tiny: AdmClassifierOptions = {
  modelChannels: 4,
  channelMult: [1, 2],
  numResBlocks: 1,
  groups: 2,
  numClasses: 3,
  numHeadChannels: 2,
  imageSize: 8,
  patchSize: 2,
};

test('an untrained classifier with the mean as pooling holds all classes for equally likely', () => {
  tf.tidy(() => {
    const classifier = new AdmClassifier({ ...tiny, pool: 'adaptive' });
    const logits = classifier.apply(tf.randomNormal([2, 8, 8, 3]), tf.tensor1d([0, 5]));
    expect(logits.arraySync()).toEqual([
      [0, 0, 0],
      [0, 0, 0],
    ]);
  });
});

test.each<[string, AdmClassifierOptions]>([
  ["pool 'attention' needs imageSize, a multiple of 4, got 6", { ...tiny, imageSize: 6 }],
  ["pool 'attention' needs imageSize, a multiple of 4, got undefined", { ...tiny, imageSize: undefined }],
  ["pool 'attention' needs numHeadChannels", { ...tiny, numHeadChannels: undefined }],
  ['numClasses must be a whole number of at least 1, got 0', { ...tiny, numClasses: 0 }],
  [
    "pool must be 'adaptive', 'attention', 'spatial' or 'spatial_v2', got 'max'",
    { ...tiny, ...{ pool: 'max' as 'spatial' } },
  ],
  ['there is no option outChannels', { ...tiny, ...{ outChannels: 3 } }],
])('refuses: %s', (message, options) => {
  expect(() => new AdmClassifier(options)).toThrow(`AdmClassifier: ${message}`);
});

test('attention pools images of the size that it was made for', () => {
  tf.tidy(() => {
    const classifier = new AdmClassifier(tiny);
    expect(classifier.apply(tf.zeros([2, 8, 8, 3]), tf.tensor1d([0, 5])).shape).toEqual([2, 3]);
    expect(() => classifier.apply(tf.zeros([2, 8, 16, 3]), tf.tensor1d([0, 5]))).toThrow(
      'AdmClassifier: its pooling knows 4 positions, but the images come to 2×4',
    );
  });
});

test("guided-diffusion's arguments are refused by name and value", () => {
  const options = {
    in_channels: 3,
    model_channels: 4,
    out_channels: 3,
    num_res_blocks: 1,
    attention_resolutions: [2],
    groups: 2,
  };
  const none = new Map();
  expect(() => admFromGuidedDiffusion({ ...options, dims: 3 }, none)).toThrow('dims must be 2, for images, got 3');
  expect(() => admFromGuidedDiffusion({ ...options, ...{ learn_sigma: true } }, none)).toThrow(
    'there is no option learn_sigma (true)',
  );
  expect(() => admFromGuidedDiffusion(options, none)).toThrow('time_embed.0.weight is missing');
});
