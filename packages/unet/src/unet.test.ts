import { disposeParameters, namedParameters, parameterCount, parameterValues } from '@ddpm/layers';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import makeUnet, { loadTorchStateDict, toTorchStateDict, Unet, unetOptionsFromTorch } from './index';
import type { UnetOptions } from './index';

const tiny = { dim: 4, dimMults: [1, 2], channels: 1, convnextMult: 1 };

describe('Unet', () => {
  test.each<[string, UnetOptions, number]>([
    ['the tutorial’s model', { dim: 28, dimMults: [1, 2, 4], channels: 1 }, 2_996_315],
    [
      'the same with ResNet blocks',
      { dim: 28, dimMults: [1, 2, 4], channels: 1, useConvnext: false, resnetBlockGroups: 4 },
      1_694_929,
    ],
  ])('%s has as many parameters as in PyTorch', (_, options, count) => {
    const unet = makeUnet(options);
    expect(parameterCount(unet)).toBe(count);
    disposeParameters(unet);
  });

  test.each<[string, UnetOptions, [number, number, number, number], number]>([
    ['not square', tiny, [2, 4, 6, 1], 1],
    ['odd, with one level', { ...tiny, dimMults: [1] }, [1, 5, 7, 1], 1],
    ['of four channels, to two', { ...tiny, channels: 4, outDim: 2 }, [1, 4, 4, 4], 2],
    ['without the time', { ...tiny, withTimeEmb: false, initDim: 3 }, [2, 4, 4, 1], 1],
    [
      'with ResNet blocks',
      { dim: 4, dimMults: [1, 3], channels: 3, useConvnext: false, resnetBlockGroups: 2 },
      [1, 2, 2, 3],
      3,
    ],
  ])('takes images %s', (_, options, shape, outDim) => {
    const unet = new Unet(options);
    tf.tidy(() => {
      const y = unet.apply(tf.ones(shape), tf.zeros([shape[0]], 'int32'));
      expect(y.shape).toEqual([...shape.slice(0, 3), outDim]);
      expect(Number.isFinite(tf.sum(y).dataSync()[0])).toBe(true);
    });
    disposeParameters(unet);
  });

  test('is told t, unless it is made not to be', () => {
    const differs = (withTimeEmb: boolean) => {
      const unet = new Unet({ ...tiny, withTimeEmb });
      const [a, b] = [0, 7].map((t) =>
        tf.tidy(() => unet.apply(tf.ones([1, 4, 4, 1]), tf.tensor1d([t], 'int32')).dataSync()),
      );
      disposeParameters(unet);
      return a.some((value, i) => value !== b[i]);
    };
    expect(differs(true)).toBe(true);
    expect(differs(false)).toBe(false);
  });

  test('has initial weights that follow from the seed', () => {
    const first = (seed: number) => [...namedParameters(new Unet({ ...tiny, seed })).values()][0].dataSync();
    expect(first(1)).toEqual(first(1));
    expect(first(1)).not.toEqual(first(2));
  });

  describe('with classes', () => {
    const outputs = (unet: Unet, label?: number[]) =>
      tf.tidy(() => {
        const xt = tf.reshape<tf.Rank.R4>(tf.linspace(-1, 1, 48), [3, 4, 4, 1]);
        return unet.apply(xt, tf.tensor1d([0, 3, 3]), label && { label: tf.tensor1d(label, 'int32') }).dataSync();
      });

    test('has the other weights of the U-Net without, at the same paths, and one more', async () => {
      const [plain, told] = [
        await parameterValues(new Unet(tiny)),
        await parameterValues(new Unet({ ...tiny, classes: 5 })),
      ];
      expect([...told.keys()].filter((name) => !plain.has(name))).toEqual(['classEmbedding.weight']);
      expect(told.get('classEmbedding.weight')!.shape).toEqual([6, 16]);
      for (const [name, values] of plain) expect(told.get(name)).toEqual(values);
      expect([new Unet(tiny).conditions, new Unet({ ...tiny, classes: 5 }).conditions]).toEqual([[], ['label']]);
    });

    test('is told them, each image its own; the last number is for none', () => {
      const unet = new Unet({ ...tiny, classes: 2 });
      const [one, other] = [outputs(unet, [0, 1, 2]), outputs(unet, [0, 2, 2])];
      const image = (values: ArrayLike<number>, i: number) => Array.from(values).slice(16 * i, 16 * (i + 1));
      expect(image(one, 0)).toEqual(image(other, 0));
      expect(image(one, 2)).toEqual(image(other, 2));
      expect(image(one, 1)).not.toEqual(image(other, 1));
    });

    test('begins with N(0, 1) vectors, or with zeros, where it is the U-Net without classes to the bit and learns them', async () => {
      const normal = (await parameterValues(new Unet({ ...tiny, classes: 99 }))).get('classEmbedding.weight')!.data;
      const [mean, square] = [1, 2].map(
        (power) => normal.reduce((sum, value) => sum + value ** power, 0) / normal.length,
      );
      // 1,600 numbers: deviations of 0.025 and 0.035.
      expect(Math.abs(mean)).toBeLessThan(0.1);
      expect(Math.abs(square - 1)).toBeLessThan(0.14);
      const zero = new Unet({ ...tiny, classes: 2, classInit: 'zero' });
      expect(outputs(zero, [0, 1, 2])).toEqual(outputs(new Unet(tiny)));
      const { grads } = tf.variableGrads(() => {
        const label = tf.tensor1d([0], 'int32');
        return tf.sum(zero.apply(tf.ones([1, 4, 4, 1]), tf.tensor1d([3]), { label }));
      }, [zero.classEmbedding!.weight]);
      const rows = (await Object.values(grads)[0].array()) as number[][];
      expect(rows.map((row) => row.some((value) => value !== 0))).toEqual([true, false, false]);
    });

    test('becomes a state_dict and comes back from it', async () => {
      const [one, other] = [1, 2].map((seed) => new Unet({ ...tiny, classes: 3, seed }));
      const stateDict = await toTorchStateDict(one);
      expect(unetOptionsFromTorch(stateDict)).toMatchObject({ classes: 3 });
      expect(unetOptionsFromTorch(await toTorchStateDict(new Unet(tiny)))).not.toHaveProperty('classes');
      loadTorchStateDict(other, stateDict);
      expect(await parameterValues(other)).toEqual(await parameterValues(one));
    });

    test('refuses what does not fit', () => {
      const label = (...labels: number[]) => tf.tensor1d(labels, 'int32');
      const applied = (unet: Unet, condition?: Record<string, tf.Tensor>) => () =>
        unet.apply(tf.zeros([2, 4, 4, 1]), tf.zeros([2]), condition);
      const unet = new Unet({ ...tiny, classes: 2 });
      expect(applied(unet)).toThrow('Unet: expected the conditions label [2], got none');
      expect(applied(unet, { label: label(1) })).toThrow('Unet: expected the conditions label [2], got label [1]');
      expect(applied(new Unet(tiny), { label: label(1, 0) })).toThrow(
        'Unet: expected the conditions none, got label [2]',
      );
      expect(applied(unet, { label: tf.tensor1d([0, 1]) })).toThrow('Embedding: ids must be int32, got float32');
      expect(() => new Unet({ ...tiny, classes: 0 })).toThrow(
        'Unet: classes must be a whole number of at least 1, got 0',
      );
      expect(() => new Unet({ ...tiny, classes: 2, withTimeEmb: false })).toThrow(
        'Unet: classes are added to the time embedding, so withTimeEmb must not be false',
      );
      expect(() => new Unet({ ...tiny, classes: 2, classInit: 'ones' as 'zero' })).toThrow(
        'Unet: classInit must be normal or zero, got ones',
      );
    });
  });

  test.each<[string, () => unknown, string]>([
    [
      'first multiple',
      () => new Unet({ dim: 8, dimMults: [2, 4] }),
      'Unet: dimMults must begin with 1, since the last level ends in a block of width dim; got [2, 4]',
    ],
    [
      'groups',
      () => new Unet({ dim: 28, dimMults: [1, 2, 4], useConvnext: false }),
      'Unet: resnetBlockGroups (8) must divide every width, but not so 28 (dim 28 × dimMults)',
    ],
    [
      'odd dim',
      () => new Unet({ dim: 7 }),
      "Unet: dim must be an even number of at least 4 for the time's sinusoids, got 7",
    ],
    [
      'dim of 2',
      () => new Unet({ dim: 2, initDim: 2 }),
      "Unet: dim must be an even number of at least 4 for the time's sinusoids, got 2",
    ],
    [
      'size',
      () => new Unet({ ...tiny, dimMults: [1, 1, 1] }).apply(tf.zeros([1, 6, 8, 1]), tf.zeros([1], 'int32')),
      'Unet: height and width must be multiples of 4, since 3 levels halve them; got 6×8',
    ],
    [
      'channels',
      () => new Unet(tiny).apply(tf.zeros([1, 4, 4, 3]), tf.zeros([1], 'int32')),
      'Unet: expected images [n, h, w, 1], got [1, 4, 4, 3]',
    ],
    [
      't',
      () => new Unet(tiny).apply(tf.zeros([2, 4, 4, 1]), tf.zeros([1], 'int32')),
      'Unet: expected t as [2], one for each image, got [1]',
    ],
  ])('refuses what does not fit: %s', (_, wrong, message) => expect(wrong).toThrow(message));

  test('a state_dict that does not fit is one short error that names what is wrong', () => {
    const unet = new Unet({ ...tiny, dimMults: [1] });
    const load = (name: string) => () =>
      loadTorchStateDict(unet, new Map([[name, { shape: [1], data: new Float32Array(1) }]]));
    const count = namedParameters(unet).size;
    const first =
      'init_conv.weight is missing; init_conv.bias is missing; time_mlp.1.weight is missing; time_mlp.1.bias is missing';
    expect(load('downs.0.0.net.9.weight')).toThrow(
      new Error(`loadTorchTensors: ${first}; time_mlp.3.weight is missing; and ${count + 1 - 5} more`),
    );
    disposeParameters(unet);
  });
});

test.each<[string, Partial<UnetOptions>]>([
  ['three channels and levels', { channels: 3, dimMults: [1, 2, 4] }],
  ['no time embedding', { withTimeEmb: false }],
  ['ResNet blocks', { useConvnext: false, resnetBlockGroups: 2 }],
])('a state_dict of a U-Net with %s sets another to the same weights', async (_, options) => {
  const [one, other] = [1, 2].map((seed) => new Unet({ dim: 8, dimMults: [1, 2], ...options, seed }));
  loadTorchStateDict(other, await toTorchStateDict(one));
  expect(await parameterValues(other)).toEqual(await parameterValues(one));
});

test.each(['module.', '_orig_mod.', 'ema_model.', 'model.', 'module._orig_mod.'])(
  '%s before every name of a state_dict is passed over',
  async (prefix) => {
    const [one, other] = [1, 2].map((seed) => new Unet({ dim: 8, dimMults: [1], seed }));
    const wrapped = new Map([...(await toTorchStateDict(one))].map(([name, tensor]) => [prefix + name, tensor]));
    expect(unetOptionsFromTorch(wrapped)).toMatchObject({ dim: 8, dimMults: [1], channels: 3, useConvnext: true });
    loadTorchStateDict(other, wrapped);
    expect(await parameterValues(other)).toEqual(await parameterValues(one));
    // Where only some have it, it is part of their names.
    const half = new Map([...wrapped].map(([name, tensor], i) => [i === 0 ? 'init_conv.weight' : name, tensor]));
    expect(() => loadTorchStateDict(other, half)).toThrow('loadTorchTensors: init_conv.bias is missing;');
  },
);
