import { readFileSync } from 'node:fs';
import { disposeParameters, namedParameters } from '@ddpm/layers';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { Case, Original } from '../test/originals.mjs';
import { compare, weightsOf } from '../test/originals.mjs';
import type { GuidedDiffusionClassifierOptions, GuidedDiffusionUnetOptions } from './index';
import {
  admFromGuidedDiffusion,
  classifierFromGuidedDiffusion,
  guidedDiffusionNames,
  toGuidedDiffusion,
  toUnet2d,
  unet2dConditionFromConfig,
  unet2dFromConfig,
  unet2dNames,
} from './index';

const read = (name: string) => JSON.parse(readFileSync(`test/${name}.json`, 'utf8')) as unknown;
const cases = read('cases') as Record<string, Case>;
const golden = read('golden') as Record<string, Original>;

/** Ours, its names, and its weights as theirs. */
function made({ of, options }: Case, weights: ReturnType<typeof weightsOf>) {
  if (of.startsWith('diffusers/')) {
    const network = of.endsWith('UNet2DModel')
      ? unet2dFromConfig(options, weights)
      : unet2dConditionFromConfig(options, weights);
    return { network, names: unet2dNames(network), back: () => toUnet2d(network) };
  }
  const network =
    of === 'guided/EncoderUNetModel'
      ? classifierFromGuidedDiffusion(options as unknown as GuidedDiffusionClassifierOptions, weights)
      : admFromGuidedDiffusion(options as unknown as GuidedDiffusionUnetOptions, weights);
  return { network, names: guidedDiffusionNames(network), back: () => toGuidedDiffusion(network) };
}

describe.each(Object.keys(cases))('%s', (name) => {
  const weights = weightsOf(golden[name]);

  test('agrees with the original forward and in every gradient', () => {
    const before = tf.memory().numTensors;
    const { network, names } = made(cases[name], weights);
    const { output, dx, gradients, compared } = compare(network, names, cases[name], golden[name]);
    expect(output).toBeLessThan(1e-5);
    expect(dx).toBeLessThan(1e-4);
    expect(gradients).toBeLessThan(1e-4);
    expect(compared).toBe(Object.keys(golden[name].gradients).length);
    disposeParameters(network);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('gives its weights back to the bit, and takes no others', async () => {
    const { network, back } = made(cases[name], weights);
    expect(await back()).toEqual(weights);
    expect(namedParameters(network).size).toBe(weights.size);
    disposeParameters(network);
    const [first, ...others] = [...weights];
    expect(() => made(cases[name], new Map(others))).toThrow(`${first[0]} is missing`);
    expect(() => made(cases[name], new Map([...weights, ['stranger.weight', first[1]]]))).toThrow(
      'stranger.weight is unexpected',
    );
  });
});
