import { expect, test } from '@jest/globals';
import { plotLines, svgToPng } from './plot';
import { decodePng } from './png';

const texts = (svg: string) => [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map((match) => match[1]);

test('an SVG with title, names and labelled axes', () => {
  const y = Array.from({ length: 100 }, (_, i) => Math.exp(-i / 20));
  const svg = plotLines([{ name: 'a & b', y, smooth: 5 }], { title: 'Loss', xLabel: 'step', yLabel: 'Huber' });
  expect(svg).toMatch(/^<svg [^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
  expect(texts(svg)).toEqual(expect.arrayContaining(['Loss', 'step', 'Huber', 'a &amp; b', '0.2', '1.0', '80']));
  expect(svg.match(/stroke-width="2"|stroke-opacity="0.3"/g)).toHaveLength(2);
});

test('a log axis has labels that are round, and leaves out what is not positive', () => {
  const svg = plotLines([{ y: [1, 0, -3, 0.1, 0.01] }], { logY: true });
  expect(texts(svg)).toEqual(expect.arrayContaining(['0.01', '0.1', '1']));
  expect(svg).not.toMatch(/NaN|Infinity/);
});

test('the PNG has its size, text in the font of the package, and the colours of the lines', () => {
  const draw = (title: string) =>
    decodePng(svgToPng(plotLines([{ y: [1, 1] }], { title, width: 300, height: 200 }), { scale: 1 }), { channels: 3 });
  const [with_, without] = [draw('Wörter, ε and √ᾱ'), draw(' ')];
  expect([with_.width, with_.height]).toEqual([300, 200]);
  const dark = (data: Uint8Array) => data.filter((v) => v < 128).length;
  expect(dark(with_.data) - dark(without.data)).toBeGreaterThan(500);
  expect([...with_.data.subarray(0, 3)]).toEqual([255, 255, 255]);
  const blue = Array.from({ length: 60000 }, (_, p) => [...with_.data.subarray(3 * p, 3 * p + 3)]).filter(
    ([r, g, b]) => r === 37 && g === 99 && b === 235,
  );
  expect(blue.length).toBeGreaterThan(100);
});

test('a range is an area around the line, within the axes', () => {
  const y = [2, 2, 2];
  const draw = (high: number[]) => plotLines([{ y, range: { low: [1, 1, 1], high } }], { width: 300, height: 200 });
  const area = (svg: string) => /<g fill-opacity="0.15" fill="#2563eb"[^>]*><path d="([^"]*)"/.exec(svg)?.[1];
  // From the upper edge of the frame, at 34, to the lower, at 200 − 48.
  const numbers = area(draw([3, 3, 3]))!
    .match(/[\d.]+/g)!
    .map(Number);
  expect([
    Math.min(...numbers.filter((_, i) => i % 2 === 1)),
    Math.max(...numbers.filter((_, i) => i % 2 === 1)),
  ]).toEqual([34, 152]);
  expect(area(draw([3, NaN, 3]))).not.toMatch(/NaN/);
  expect(() => draw([3])).toThrow('plotLines: line 0 has 3 y and a range of 3 and 1');
});

test('draws one point, and a constant', () => {
  for (const y of [[0.5], [3, 3, 3], [0, 0]]) expect(plotLines([{ y }])).not.toMatch(/NaN|Infinity/);
});

test('names what is wrong', () => {
  expect(() => plotLines([{ x: [1], y: [1, 2] }])).toThrow('plotLines: line 0 has 1 x and 2 y');
  expect(() => plotLines([{ y: [] }])).toThrow('plotLines: no finite value to draw');
  expect(() => plotLines([{ y: [0, -1] }], { logY: true })).toThrow('plotLines: no positive finite value to draw');
});
