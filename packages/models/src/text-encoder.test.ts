import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepareExecution } from '@ddpm/execution';
import { bertFromTensors, tokenizerFromJson, trainWords } from '@ddpm/text';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs';
import { heads, tinyBert, width, writeTinyBert } from '../../text/test/tiny-bert';
import { captionConditions } from './captions';
import { openTextEncoder, withTextEncoder } from './text-encoder';

const length = 5;
const captions = ['a red hat', 'a blue hat'];
const { json: tokenizer } = trainWords(captions, { size: 9, length });

let root: string;
const write = (name: string, config: object) => {
  const folder = join(root, name);
  writeTinyBert(folder, { captions, length, config });
  return folder;
};
beforeAll(() => void (root = mkdtempSync(join(tmpdir(), 'ddpm-text-encoder-'))));
afterAll(() => rmSync(root, { recursive: true }));

test('says of captions what BERT does, with zeros for padding, and the same whatever was asked before', async () => {
  const folder = write('bert', { model_type: 'bert', num_attention_heads: heads });
  const execution = await prepareExecution('cpu');
  const encoder = await openTextEncoder(folder, { length, execution });
  const { text, present } = await encoder.condition(['a red hat', 'hat'], 3);
  expect([text.item, present.item]).toEqual([[length, width], [length]]);
  const tokens = tokenizerFromJson(tokenizer, { length }).encode('a red hat');
  const there = tokens.filter((id) => id !== 0).length;
  const bert = bertFromTensors(tinyBert(9), { heads });
  const expected = bert.apply(tf.tensor2d(tokens, [1, length], 'int32')).sequence.dataSync();
  expect([...text.data.subarray(0, there * width)]).toEqual([...expected.subarray(0, there * width)]);
  expect([...text.data.subarray(there * width, length * width)]).toEqual(Array((length - there) * width).fill(0));
  expect([...present.data.subarray(0, length)]).toEqual(Array.from(tokens, (id) => Number(id !== 0)));
  // The third image has the first caption.
  expect(text.data.subarray(2 * length * width)).toEqual(text.data.subarray(0, length * width));
  const again = await openTextEncoder(folder, { length, execution });
  expect(await again.condition(['a red hat'])).toEqual({
    text: { ...text, data: text.data.slice(0, length * width) },
    present: { ...present, data: present.data.slice(0, length) },
  });

  const known = { folder, sha256: encoder.sha256, length, features: width, dropout: 0.1 };
  const network = { conditions: ['text', 'present'], apply: (x: tf.Tensor4D) => x };
  const opened = await withTextEncoder({ network, text: known }, { execution });
  expect(await captionConditions(opened)!.condition(['hat'])).toEqual(await encoder.condition(['hat']));
  expect(() => captionConditions({ network, text: known })).toThrow('which has not been opened');
  const other = { text: { ...known, sha256: '0'.repeat(64) } };
  await expect(withTextEncoder(other, { execution })).rejects.toThrow(
    `${folder} is another text encoder than the one that the model was trained with`,
  );
  await Promise.all([encoder, again, opened.textEncoder!].map((each) => each.dispose()));
});

test('refuses what is no encoder of this kind, and says why', async () => {
  const execution = await prepareExecution('cpu');
  const opened = (folder: string, tokens = length) => openTextEncoder(folder, { length: tokens, execution });
  await expect(opened(join(root, 'absent'))).rejects.toThrow(
    /absent is no text encoder that can be used: config.json cannot be read: /,
  );
  const t5 = write('t5', { model_type: 't5', num_attention_heads: heads });
  await expect(opened(t5)).rejects.toThrow(
    `${t5} is no text encoder that can be used: its config.json says model_type "t5", where only bert is known`,
  );
  const short = write('short', { num_attention_heads: heads });
  await expect(opened(short, 9)).rejects.toThrow('has 6 positions, fewer than captions of 9 tokens');
});
