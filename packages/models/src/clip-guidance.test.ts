import type { Denoise } from '@ddpm/diffusion';
import { levelAt } from '@ddpm/diffusion';
import { prepareExecution } from '@ddpm/execution';
import type { JsonObject } from '@ddpm/checkpoint';
import { namedParameters } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import { velocityCosineSchedule } from '@ddpm/schedules';
import { clipGradient, createClip, trainWords } from '@ddpm/text';
import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs';
import { captionTokens } from './captions';
import { clipGuidance } from './clip-guidance';
import { scheduleLevels } from './levels';

test('moves x_0 by σ²/signal times the gradient of the score with its caption, but where no image is left', async () => {
  const tokenizer = trainWords(['dark', 'light'], { size: 8, length: 2 });
  const { vocabularySize } = tokenizer;
  const clip = createClip({
    ...{ imageSize: 4, channels: 1, patchSize: 2, vocabularySize, length: 2, noised: true },
    ...{ width: 8, layers: 1, heads: 2, features: 6 },
  });
  const schedule = velocityCosineSchedule({ timesteps: 8 });
  const captions = { length: 2, tokenizer: tokenizer.json as JsonObject };
  const image = [4, 4, 1] as const;
  const parameters = namedParameters({ clip });
  const loaded = { clip, parameters, image, captions, levels: scheduleLevels(schedule) };
  const guidance = await clipGuidance(await prepareExecution('compiled'), loaded, { scale: 3 });
  const x = tf.tensor4d(new Random(1).normals(32), [2, ...image]);
  const denoise: Denoise = (at) => Promise.resolve({ x0: tf.mul<tf.Tensor4D>(at, 0.5) });
  const led = guidance.guide(denoise, ['light', 'dark']);
  const level = levelAt(schedule, 5);
  const { x0 } = await led(x, level);
  tf.tidy(() => {
    const { data } = captionTokens(captions, ['light', 'dark']).tokens;
    const text = clip.encodeText(tf.tensor2d(data as Int32Array, [2, 2], 'int32'));
    const slope = clipGradient(clip)(x, tf.tensor1d([5, 5]), text);
    const expected = tf.add(tf.mul(x, 0.5), tf.mul(slope, (3 * level.sigma ** 2) / level.signal)).dataSync();
    const moved = tf.max(tf.abs(tf.sub(x0, tf.mul(x, 0.5)))).dataSync()[0];
    expect(moved).toBeGreaterThan(0.1);
    x0.dataSync().forEach((value, i) => expect(Math.abs(value - expected[i])).toBeLessThan(1e-3 * moved));
  });
  const last = levelAt(schedule, 7);
  expect(last.signal).toBe(0);
  const { x0: alone } = await led(x, last);
  alone.dataSync().forEach((value, i) => expect(value).toBeCloseTo(0.5 * x.dataSync()[i], 6));
  await guidance.dispose();
  tf.dispose([x, x0, alone]);
  const { levels: _, ...plain } = loaded;
  await expect(clipGuidance(await prepareExecution('cpu'), plain, { scale: 1 })).rejects.toThrow(
    'clipGuidance: expected a CLIP of noisy images, and this one knows none',
  );
});
