import { readFile } from 'node:fs/promises';
import { decodeCheckpoint } from '@ddpm/checkpoint/format';
import { openPixelArt } from '@ddpm/datasets';
import { captionTokens, meaningFromJson } from '@ddpm/models';
import { checkpoint } from '@ddpm/pretrained-pixel-art';
import { expect, test } from '@jest/globals';
import { attributes, read, toggled, write } from './portrait-words';

test('captions of real portraits are read as attributes alone, and written as they were', async () => {
  const portraits = await openPixelArt();
  for (let i = 0; i < 40; i++) {
    const [full] = portraits.captions(i);
    const said = read(full);
    expect([said.rest, write(said)]).toEqual([[], full]);
  }
});

test('every attribute is said in words that the pretrained model knows', async () => {
  const { captions } = meaningFromJson((await decodeCheckpoint(await readFile(checkpoint))).meaning);
  for (const { name, values } of attributes)
    for (const value of values) {
      const caption = toggled('', name, value);
      expect(read(caption)).toEqual({ facts: { [name]: value }, rest: [] });
      expect([...captionTokens(captions!, [caption]).tokens.data]).not.toContain(2);
    }
});

test('an attribute comes, takes the place of another of its kind, and goes; what else is said stays', () => {
  expect(toggled('Green hair, looking up', 'length', 'long')).toBe('long green hair, looking up');
  expect(toggled('long green hair, looking up', 'hair', 'red')).toBe('long red hair, looking up');
  expect(toggled('long red hair, looking up', 'hair', 'red')).toBe('long hair, looking up');
  expect(toggled('wearing a blue hat, long', 'hat', 'blue')).toBe('long');
});
