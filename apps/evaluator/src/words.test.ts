import type { JsonObject } from '@ddpm/checkpoint';
import { image as predictsImage } from '@ddpm/diffusion';
import { prepareExecution } from '@ddpm/execution';
import type { Denoiser } from '@ddpm/models';
import { scheduleLevels } from '@ddpm/models';
import { cosineSchedule } from '@ddpm/schedules';
import { createClip, trainWords } from '@ddpm/text';
import * as tf from '@tensorflow/tfjs';
import { expect, test } from '@jest/globals';
import { settingsFrom } from './options';
import { prepareModel } from './words';

const tokenizer = trainWords(['dark', 'light'], { size: 8, length: 2 });
const captions = { length: 2, tokenizer: tokenizer.json as JsonObject };
const clip = createClip({
  ...{ imageSize: 4, channels: 1, patchSize: 2, vocabularySize: tokenizer.vocabularySize, length: 2 },
  ...{ width: 4, layers: 1, heads: 1, features: 4 },
});
const denoiser: Denoiser = {
  ...{ image: [4, 4, 1], parameterisation: predictsImage, parameters: new Map(), encoder: clip },
  levels: scheduleLevels(cosineSchedule({ timesteps: 5 })),
  clip: { features: 4, dropout: 0.1, image: [4, 4, 1], captions },
  network: {
    conditions: ['imageEmbedding'],
    // Gray, by the first feature of the vector.
    apply: (x, _t, given) =>
      tf.add(tf.mul(x, 0), tf.reshape(tf.mul(tf.slice(given!.imageEmbedding, [0, 0], [-1, 1]), 0.3), [-1, 1, 1, 1])),
  },
};
const subject = {
  kind: 'model',
  name: 'dalle2',
  run: 'no-such-folder',
  shape: [4, 4, 1],
  denoiser,
  trained: {},
} as const;

test('a decoder draws captions by vectors of them, with guidance away from none, or names the prior that is missing', async () => {
  const execution = await prepareExecution('cpu');
  const asked = (settings: object) => settingsFrom({ steps: 2, sampler: 'ddim', batchSize: 2, ...settings });
  await expect(prepareModel(subject, execution, asked({}))).rejects.toThrow(
    'dalle2 draws words by a diffusion prior: name its run by --diffusion-prior, or put it into no-such-folder as prior',
  );
  const drawing = await prepareModel(subject, execution, asked({ diffusionPrior: 'none', guidance: [2] }));
  expect(drawing.how!.vectors).toBe("CLIP's own vectors of captions");
  const vectors = tf.tidy(() => {
    const tokens = ['dark', 'light'].flatMap((word) => [...tokenizer.encode(word)]);
    return tf.mul(clip.encodeText(tf.tensor2d(tokens, [2, 2], 'int32')), 2).arraySync() as number[][];
  });
  const gray = (value: number) => Math.round(127.5 * (Math.max(-1, Math.min(1, value)) + 1));
  for (const guidance of [undefined, 2]) {
    const images = await drawing.draw({ count: 3, captions: ['dark', 'light'], guidance }, () => undefined);
    for (const [i, [feature]] of [vectors[0], vectors[1], vectors[0]].entries())
      expect(Math.abs((await images.image(i))[0] - gray(0.3 * (guidance ?? 1) * feature))).toBeLessThanOrEqual(1);
  }
  await drawing.dispose();
  const { clip: _, ...other } = denoiser;
  await expect(
    prepareModel({ ...subject, denoiser: other }, execution, asked({ diffusionPrior: 'x' })),
  ).rejects.toThrow("--diffusion-prior is for a decoder of CLIP's vectors, and dalle2 is none");
});
