import { epsilon } from '@ddpm/diffusion';
import { linearSchedule } from '@ddpm/schedules';
import { trainWords } from '@ddpm/text';
import { expect, test } from '@jest/globals';
import { captionTokens } from './captions';
import { scheduleLevels } from './levels';
import type { CaptionMeaning } from './meaning';
import { meaningFromJson, meaningToJson } from './meaning';

test('a meaning keeps the vocabulary, by which captions become the condition of images in turn', () => {
  const tokenizer = trainWords(['red hat', 'red hair'], { length: 3 });
  const captions = { length: 3, tokenizer: tokenizer.json as CaptionMeaning['tokenizer'], dropout: 0.1 };
  const levels = scheduleLevels(linearSchedule({ timesteps: 3 }));
  const json = meaningToJson({ image: [2, 2, 1], parameterisation: epsilon, levels, captions });
  const known = meaningFromJson(JSON.parse(JSON.stringify(json)) as typeof json);
  expect(known.captions).toEqual(captions);
  const [red, hair, hat] = [3, 4, 5];
  expect(captionTokens(known.captions!, ['red hat', '', 'long red hair, and more'], 4)).toEqual({
    tokens: { data: Int32Array.of(red, hat, 1, 1, 0, 0, 2, red, 1, red, hat, 1), item: [3] },
  });
  expect(tokenizer.encode('hair')[0]).toBe(hair);
  expect(() => captionTokens(known.captions!, [])).toThrow('captionTokens: expected at least one caption, got none');
  const wrong = { ...json, captions: { ...captions, length: 0 } };
  expect(() => meaningFromJson(wrong)).toThrow(/^its meaning\.captions\.length is not as expected/);
});
