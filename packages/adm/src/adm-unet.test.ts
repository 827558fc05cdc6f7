import { denoising, l2, uniform, withLabelDropout } from '@ddpm/diffusion';
import { disposeParameters, namedParameters, parameterCount } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import { linearSchedule } from '@ddpm/schedules';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { AdmUnetOptions } from './index';
import createNetwork, { AdmUnet } from './index';

const tiny: AdmUnetOptions = { imageChannels: 2, modelChannels: 4, channelMult: [1, 2], numResBlocks: 1, groups: 2 };

/** Weights that are drawn anew, since those that begin at 0 would hide most of the network. */
function shaken(unet: AdmUnet, seed = 1): AdmUnet {
  const rng = new Random(seed);
  for (const variable of namedParameters(unet).values())
    tf.tidy(() => variable.assign(tf.mul(tf.tensor(rng.normals(variable.size), variable.shape), 0.2)));
  return unet;
}

const images = (n = 2, size = 4) => tf.randomNormal<tf.Rank.R4>([n, size, size, 2], 0, 1, 'float32', 3);

describe('AdmUnet', () => {
  test('predicts 0 at first, and leaves no tensor behind', () => {
    const before = tf.memory().numTensors;
    const unet = new AdmUnet({ ...tiny, attentionResolutions: [1, 2], numClasses: 3 });
    tf.tidy(() => {
      const inputs = [images(), tf.tensor1d([0, 9]), { label: tf.tensor1d([0, 3], 'int32') }] as const;
      const held = tf.memory().numTensors;
      const output = unet.apply(...inputs);
      expect(tf.memory().numTensors).toBe(held + 1);
      expect(output.shape).toEqual([2, 4, 4, 2]);
      expect(tf.max(tf.abs(output)).dataSync()[0]).toBe(0);
    });
    disposeParameters(unet);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('is told the noise level and the class of each image alone', () => {
    tf.tidy(() => {
      const unet = shaken(new AdmUnet({ ...tiny, numClasses: 3 }));
      const x = tf.tile(images(1), [2, 1, 1, 1]);
      const both = (t: number[], label: number[]) =>
        tf.unstack(unet.apply(x, tf.tensor1d(t), { label: tf.tensor1d(label, 'int32') })).map((y) => [...y.dataSync()]);
      const [a, b] = both([5, 5], [1, 1]);
      expect(a).toEqual(b);
      const [c, d] = both([5, 6], [1, 1]);
      expect(c).toEqual(a);
      expect(d).not.toEqual(a);
      const [e, f] = both([5, 5], [1, 3]);
      expect(e).toEqual(a);
      expect(f).not.toEqual(a);
    });
  });

  test.each<[string, AdmUnetOptions]>([
    ['resblockUpdown', { ...tiny, resblockUpdown: true }],
    ['no convResample', { ...tiny, convResample: false }],
    ['an added embedding', { ...tiny, useScaleShiftNorm: false }],
    ['heads', { ...tiny, attentionResolutions: [2], numHeads: 2, numHeadsUpsample: 4 }],
    ['head channels', { ...tiny, attentionResolutions: [2], numHeadChannels: 2 }],
    ['patches, and other output channels', { ...tiny, patchSize: 2, outChannels: 4 }],
  ])('%s: every parameter has a gradient that finite differences agree with', (_, options) => {
    tf.tidy(() => {
      const unet = shaken(new AdmUnet(options));
      const x = images(1, 4);
      const loss = () => tf.mean<tf.Scalar>(tf.square(unet.apply(x, tf.tensor1d([7]))));
      const parameters = namedParameters(unet);
      const { grads } = tf.variableGrads(loss, [...parameters.values()]);
      const rng = new Random(5);
      const directions = [...parameters.values()].map(({ size, shape }) => tf.tensor(rng.normals(size), shape));
      const values = [...parameters.values()].map((variable) => variable.clone());
      const along = [...parameters.values()]
        .map((variable, i) => tf.sum(tf.mul(grads[variable.name], directions[i])).dataSync()[0])
        .reduce((a, b) => a + b);
      const at = (step: number) => {
        [...parameters.values()].forEach((variable, i) =>
          variable.assign(tf.add(values[i], tf.mul(directions[i], step))),
        );
        return loss().dataSync()[0];
      };
      expect((at(1e-3) - at(-1e-3)) / 2e-3 / along).toBeCloseTo(1, 1);
      for (const [path, variable] of parameters) {
        // A bias of the keys moves all scores of a query alike; others must matter.
        expect([path, tf.max(tf.abs(grads[variable.name])).dataSync()[0] > 0]).toEqual([path, true]);
      }
    });
  });

  test('patches are squares of pixels: with them it is the network without them, of such squares', () => {
    tf.tidy(() => {
      const unet = shaken(new AdmUnet({ ...tiny, imageChannels: 1, patchSize: 2 }));
      const plain = shaken(new AdmUnet({ ...tiny, imageChannels: 4 }));
      const x = tf.randomNormal<tf.Rank.R4>([1, 4, 4, 1], 0, 1, 'float32', 3);
      // Each square's pixels row by row.
      const squares = tf.reshape<tf.Rank.R4>(tf.transpose(tf.reshape(x, [2, 2, 2, 2]), [0, 2, 1, 3]), [1, 2, 2, 4]);
      const t = tf.tensor1d([3]);
      const back = tf.transpose(tf.reshape(plain.apply(squares, t), [2, 2, 2, 2]), [0, 2, 1, 3]);
      expect(unet.apply(x, t).dataSync()).toEqual(back.dataSync());
    });
  });

  test('the same seed makes the same network, and classes change no other weight', () => {
    const weights = (options: AdmUnetOptions) => {
      const unet = new AdmUnet(options);
      const values = new Map([...namedParameters(unet)].map(([name, variable]) => [name, variable.dataSync()]));
      disposeParameters(unet);
      return values;
    };
    const before = weights(tiny);
    expect(weights({ ...tiny, seed: 0 })).toEqual(before);
    expect(weights({ ...tiny, seed: 1 })).not.toEqual(before);
    const { 'told.label.weight': label, ...others } = Object.fromEntries(weights({ ...tiny, numClasses: 5 }));
    expect(label).toHaveLength(6 * 16);
    expect(others).toEqual(Object.fromEntries(before));
  });

  test('denoises with label dropout: the label of no class is the last row', () => {
    const unet = shaken(new AdmUnet({ ...tiny, numClasses: 3 }));
    const task = withLabelDropout(
      denoising({
        network: unet,
        parameters: namedParameters(unet),
        levels: uniform(linearSchedule({ timesteps: 10 })),
        loss: l2,
      }),
      { none: 3, probability: 1 },
    );
    const examples = {
      image: { data: new Random(2).normals(64), item: [4, 4, 2] },
      label: { data: Int32Array.of(0, 2), item: [] },
    };
    const drawn = task.draw(examples, new Random(3));
    tf.tidy(() => {
      const inputs = Object.fromEntries(
        Object.entries(drawn).map(([name, { data, item }]) => [
          name,
          tf.tensor(data, [2, ...item], data instanceof Int32Array ? 'int32' : 'float32'),
        ]),
      );
      const { grads } = tf.variableGrads(
        () => tf.mean<tf.Scalar>(task.loss(inputs).loss),
        [namedParameters(unet).get('told.label.weight')!],
      );
      const [rows] = [tf.sum(tf.abs(Object.values(grads)[0]), 1).arraySync() as number[]];
      expect(rows.slice(0, 3)).toEqual([0, 0, 0]);
      expect(rows[3]).toBeGreaterThan(0);
    });
    disposeParameters(unet);
  });

  test('drops what it is told to: with nothing kept, blocks are as if their second convolutions were 0', () => {
    tf.tidy(() => {
      const options = { ...tiny, patchSize: 2, resblockUpdown: true, channelMult: [1, 2, 2], dropout: 0.25 };
      const unet = shaken(new AdmUnet(options));
      const { dropout: input } = unet.trainingInputs([16, 8, 2]);
      // 8×4, 4×2, 2×1 positions of 4, 8, 8 channels: one block down and two up, two in the middle, and those between.
      expect(input.item).toEqual([32 * 4 * 3 + 8 * 8 * 3 + 2 * 8 * 5 + (8 * 4 + 2 * 8) + (32 * 8 + 8 * 8)]);
      const inputs = [tf.randomNormal<tf.Rank.R4>([2, 16, 8, 2], 0, 1, 'float32', 3), tf.tensor1d([1, 2])] as const;
      const masked = (value: number) =>
        unet.apply(...inputs, { dropout: tf.fill([2, input.item[0]], value) }).dataSync();
      const plain = unet.apply(...inputs).dataSync();
      expect(masked(1)).toEqual(plain);
      const dropped = masked(0);
      for (const [path, variable] of namedParameters(unet))
        if (path.endsWith('conv2.weight')) variable.assign(tf.zerosLike(variable));
      expect(dropped).toEqual(unet.apply(...inputs).dataSync());
      expect(dropped).not.toEqual(plain);
      expect(() => unet.apply(...inputs, { dropout: tf.ones([2, 3]) })).toThrow(
        `AdmUnet: expected dropout as [2, ${input.item[0]}], got [2, 3]`,
      );
      const without = new AdmUnet({ ...options, dropout: 0 });
      expect(without.trainingInputs([16, 8, 2])).toEqual({});
      expect(() => without.apply(...inputs, { dropout: tf.ones([2, input.item[0]]) })).toThrow(
        'AdmUnet: expected the conditions none, got dropout',
      );
    });
  });

  test('drops as often as it is asked to, and keeps the mean', () => {
    const unet = new AdmUnet({ ...tiny, dropout: 0.25 });
    const masks = unet.trainingInputs([4, 4]).dropout.draw(new Random(1), 20000);
    expect(new Set(masks)).toEqual(new Set([0, Math.fround(4 / 3)]));
    // Within four standard deviations.
    expect(Math.abs(masks.filter((mask) => mask === 0).length / 20000 - 0.25)).toBeLessThan(0.0125);
    disposeParameters(unet);
  });

  test('is trained with dropout and measured without it; other draws stay as they were', () => {
    const options = { levels: uniform(linearSchedule({ timesteps: 10 })), loss: l2 };
    const taskOf = (dropout: number, evaluation = false) => {
      const network = shaken(new AdmUnet({ ...tiny, dropout }));
      return { network, task: denoising({ network, parameters: namedParameters(network), evaluation, ...options }) };
    };
    const examples = { image: { data: new Random(2).normals(64), item: [4, 4, 2] } };
    const results = [taskOf(0), taskOf(0.5), taskOf(0.5, true)].map(({ network, task }) => {
      const drawn = task.draw(examples, new Random(3));
      const loss = tf.tidy(() => {
        const entries = Object.entries(drawn).map(([name, { data, item }]) => [name, tf.tensor(data, [2, ...item])]);
        return task.loss(Object.fromEntries(entries) as Record<string, tf.Tensor>).loss.dataSync();
      });
      disposeParameters(network);
      return { drawn, loss };
    });
    const [plain, training, evaluation] = results;
    const { dropout, ...others } = training.drawn;
    expect(others).toEqual(plain.drawn);
    expect(dropout.item).toEqual(taskOf(0.5).network.trainingInputs([4, 4]).dropout.item);
    expect(training.loss).not.toEqual(plain.loss);
    expect(evaluation).toEqual(plain);
  });

  test.each<[string, AdmUnetOptions]>([
    ['groups (3) must divide every width, but not so 4, 8', { ...tiny, groups: 3 }],
    [
      'attentionResolutions must be among 1, 2, by which the 2 levels are smaller than the first, got 16',
      { ...tiny, attentionResolutions: [2, 16] },
    ],
    ['numHeadChannels (3) must divide the width where there is attention, 8', { ...tiny, numHeadChannels: 3 }],
    ['the number of heads (3) must divide the width where there is attention, 8', { ...tiny, numHeads: 3 }],
    ['modelChannels must be even', { ...tiny, modelChannels: 5 }],
    ['numResBlocks must be a whole number of at least 1, got 1.5', { ...tiny, numResBlocks: 1.5 }],
    ['dropout must be from 0 to below 1, got 1', { ...tiny, dropout: 1 }],
    ['channelMult must name at least one level', { ...tiny, channelMult: [] }],
    ['there is no option widths, numHead', { ...tiny, ...{ widths: 1, numHead: 2 } }],
  ])('refuses: %s', (message, options) => {
    expect(() => new AdmUnet(options)).toThrow(`AdmUnet: ${message}`);
  });

  test('refuses what it cannot be applied to, with the numbers', () => {
    tf.tidy(() => {
      const unet = new AdmUnet({ ...tiny, patchSize: 2, numClasses: 3 });
      const t = tf.tensor1d([1, 2]);
      const label = tf.tensor1d([0, 1], 'int32');
      expect(() => unet.apply(images(2, 6), t, { label })).toThrow(
        'AdmUnet: height and width must be multiples of 4, because of patches of 2×2 and 2 levels; got 6×6',
      );
      expect(() => unet.apply(tf.zeros([2, 4, 4, 3]), t, { label })).toThrow(
        'expected images [n, h, w, 2], got [2, 4, 4, 3]',
      );
      expect(() => unet.apply(images(), tf.tensor1d([1]), { label })).toThrow(
        'expected t as [2], one for each image, got [1]',
      );
      expect(() => unet.apply(images(), t)).toThrow('expected the conditions label, got none');
      expect(() => unet.apply(images(), t, { label: tf.tensor1d([0], 'int32') })).toThrow(
        'expected label with 2 rows, one for each image, got [1]',
      );
    });
  });
});

test("the default export takes the trainer's words", () => {
  const unet = createNetwork({ ...tiny, imageChannels: undefined, channels: 1, classes: 2 });
  const same = new AdmUnet({ ...tiny, imageChannels: 1, numClasses: 2 });
  expect(parameterCount(unet)).toBe(parameterCount(same));
  expect(unet.conditions).toEqual(['label']);
  disposeParameters([unet, same]);
});
