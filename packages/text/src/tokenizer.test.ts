import { describe, expect, test } from '@jest/globals';
import { tokenizerFromJson } from './tokenizer';
import { trainBytePairs, trainWords } from './vocabulary';

const captions = ['long green hair, dark glasses, red shirt', 'short red hair, happy', 'green hat, Long red hair'];
const words = (ids: Int32Array, json: object) => {
  const { vocab } = (json as { model: { vocab: Record<string, number> } }).model;
  const names = Object.keys(vocab);
  return [...ids].map((id) => names.find((name) => vocab[name] === id));
};

describe('trainWords', () => {
  test('numbers words by how often they occur, whatever stands between them', () => {
    const tokenizer = trainWords(captions, { length: 8 });
    expect(tokenizer.vocabularySize).toBe(13);
    const [hair, red, green] = [3, 4, 5];
    expect(tokenizer.encode('RED hair;green!')).toEqual(Int32Array.of(red, hair, green, 1, 0, 0, 0, 0));
    expect(tokenizer.encode('crimson hair')).toEqual(Int32Array.of(2, hair, 1, 0, 0, 0, 0, 0));
    expect(tokenizer.encode('')).toEqual(Int32Array.of(1, 0, 0, 0, 0, 0, 0, 0));
  });

  test('cuts what is too long but for its end, and keeps to its size', () => {
    const tokenizer = trainWords(captions, { length: 3, size: 5 });
    expect(tokenizer.vocabularySize).toBe(5);
    expect(tokenizer.encode('hair red hair red')).toEqual(Int32Array.of(3, 4, 1));
    expect(tokenizer.encode('green')).toEqual(Int32Array.of(2, 1, 0));
    expect(() => trainWords(captions, { length: 3, size: 3 })).toThrow(
      'trainWords: size must be a whole number of more than 3, got 3',
    );
  });
});

describe('trainBytePairs', () => {
  test('merges the most frequent neighbours first, and spells other words', () => {
    const tokenizer = trainBytePairs(captions, { length: 12, size: 60 });
    const spelled = (caption: string) => words(tokenizer.encode(caption), tokenizer.json);
    expect(spelled('red hair').slice(0, 3)).toEqual(['red</w>', 'hair</w>', '[END]']);
    const [pieces] = [spelled('greed')];
    expect(pieces.slice(0, pieces.indexOf('[END]')).join('')).toBe('greed</w>');
    expect(pieces.indexOf('[END]')).toBeGreaterThan(1);
    expect(tokenizer.vocabularySize).toBe(60);
  });

  test('with room for all pairs, every word of the captions is one piece', () => {
    const tokenizer = trainBytePairs(captions, { length: 9 });
    for (const caption of captions) {
      const count = caption.match(/\w+/g)!.length;
      expect(tokenizer.encode(caption).indexOf(1)).toBe(count);
    }
  });
});

test('is made again of its JSON', () => {
  for (const train of [trainWords, trainBytePairs]) {
    const tokenizer = train(captions, { length: 9, size: 40 });
    const again = tokenizerFromJson(JSON.parse(JSON.stringify(tokenizer.json)) as object as typeof tokenizer.json, {
      length: 9,
    });
    expect(again.vocabularySize).toBe(tokenizer.vocabularySize);
    for (const caption of [...captions, 'a happy cat'])
      expect(again.encode(caption)).toEqual(tokenizer.encode(caption));
  }
  expect(() => tokenizerFromJson({}, { length: 4 })).toThrow(/^tokenizerFromJson: this is not a tokenizer.json \(/);
  expect(() => tokenizerFromJson({}, { length: 0 })).toThrow('length must be a whole number of at least 1, got 0');
});
