import { describe, expect, test } from '@jest/globals';
import { Random } from '@ddpm/random';
import * as pixelArt from '@dicebear/pixel-art';
import { Resvg } from '@resvg/resvg-js';
import { examples } from '../examples';
import { openDataset } from '../open';
import { withTokens } from '../with-tokens';
import { agreement } from './agreement';
import { fullCaption } from './captions';
import { openPixelArt } from './dataset';
import { fillsOf } from './fills';
import { COLOURS, drawPortrait, isHeldOut } from './portrait';
import { portraitReader } from './read';
import { loadStyle, paint, svgBody } from './style';
import { unseenWords } from './unseen-words';

const some = Array.from({ length: 60 }, (_, i) => i);

test('portraits are painted as resvg renders them: to the bit, but beards, which may be off by a level', async () => {
  const style = await loadStyle();
  const attributes = 'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" shape-rendering="crispEdges"';
  let beards = 0;
  for (const i of some) {
    const portrait = drawPortrait(new Random([1, i]), style.variants);
    const svg = `<svg ${attributes}>${svgBody(pixelArt, portrait)}</svg>`;
    const rgba = new Resvg(svg, { background: 'white' }).render().pixels;
    const { pixels } = paint(style, portrait);
    const worst = pixels.reduce((most, value, at) => {
      return Math.max(most, Math.abs(value - rgba[4 * Math.floor(at / 3) + (at % 3)]));
    }, 0);
    if (portrait.beard) beards++;
    expect(worst).toBeLessThanOrEqual(portrait.beard ? 1 : 0);
  }
  expect(beards).toBeGreaterThan(0);
});

test('fills: holes, groups, masks; what is not on the grid is refused', () => {
  const square = (attributes: string, d = 'M0 0h3v3h-3z') => fillsOf(`<path d="${d}" ${attributes}/>`, 4);
  expect(square('fill="#fff"')).toEqual([
    { pixels: [0, 1, 2, 4, 5, 6, 8, 9, 10], colour: [255, 255, 255], alpha: 255 },
  ]);
  const ring = 'M0 0h3v3H0zM1 1h1v1H1z';
  expect(square('fill="#000" fill-rule="evenodd"', ring)[0].pixels).toEqual([0, 1, 2, 4, 6, 8, 9, 10]);
  expect(square('fill="#000"', ring)[0].pixels).toHaveLength(9);
  expect(square('fill="#000"', 'M0 0h3v3H0zM1 1v1h1V1z')[0].pixels).toEqual([0, 1, 2, 4, 6, 8, 9, 10]);
  const [masked] = fillsOf(
    '<mask id="a"><path fill="#808080" d="M1 0h1v1h-1z"/></mask><g mask="url(#a)"><path fill="#f00" d="M0 0h4v4h-4z"/></g>',
    4,
  );
  expect(masked).toEqual({ pixels: [1], colour: [128, 0, 0], alpha: 128 });
  expect(() => square('fill="#fff"', 'M0 0l1 1z')).toThrow('cannot draw l1 1, only lines along a grid');
  expect(() => square('fill="#fff"', 'M0 0h.5z')).toThrow('cannot draw h.5, only lines along a grid');
  expect(() => square('fill="red"')).toThrow('cannot draw the colour red');
  expect(() => fillsOf('<circle r="1"/>', 4)).toThrow('cannot draw <circle>, only paths in groups');
});

describe('the dataset', () => {
  test('is a function of the seed, and says what it shows', async () => {
    const [data, again, other] = await Promise.all([openPixelArt(), openPixelArt(), openPixelArt({ seed: 1 })]);
    expect([data.size, data.shape]).toEqual([50_000, [16, 16, 3]]);
    const image = (from: typeof data, i: number) => from.image(i) as Uint8Array;
    expect(image(again, 49_999)).toEqual(image(data, 49_999));
    expect(image(other, 0)).not.toEqual(image(data, 0));
    expect(data.captions(1)).toEqual(again.captions(1));
    expect(data.captions(3)[0]).toMatchInlineSnapshot(`"short black hair, dark glasses, sad mouth, yellow shirt"`);
    expect(data.facts(3)).toMatchInlineSnapshot(`
     {
       "clothes": "yellow",
       "glasses": "dark",
       "hair": "black",
       "length": "short",
       "mouth": "sad",
     }
    `);
    expect(
      fullCaption({ hair: 'green', length: 'long', glasses: 'dark', mouth: 'sad', clothes: 'red', hat: 'blue' }),
    ).toBe('long green hair, dark glasses, sad mouth, red shirt, blue hat');
  });

  test('captions come in several words and orders, never in those that are kept for later', async () => {
    const data = await openPixelArt();
    const captions = some.flatMap((i) => data.captions(i));
    expect(new Set(captions).size).toBeGreaterThan(300);
    for (const words of ['sunglasses', 'frowning', ' clothes', 'wearing a '])
      expect(captions.some((caption) => caption.includes(words))).toBe(true);
    for (const caption of captions) expect(caption).not.toMatch(/crimson|spectacles|\bcap\b|^$/);
  });

  test('train and test lack combinations of colours, held-out has nothing else, and no colour is missing', async () => {
    const style = await loadStyle();
    const colours = (part: 'hair' | 'clothing' | 'hat') => Object.keys(COLOURS[part]);
    const variant = '';
    const pairs = (part: 'clothing' | 'hat') =>
      colours('hair').flatMap((hair) =>
        colours(part).map((colour) => isHeldOut({ hair: { variant, colour: hair }, [part]: { variant, colour } })),
      );
    expect(pairs('clothing').filter(Boolean)).toHaveLength(9);
    expect(pairs('hat').filter(Boolean)).toHaveLength(7);
    const [train, heldOut] = await Promise.all([openPixelArt(), openPixelArt({ split: 'held-out' })]);
    const combinations = (data: typeof train, n: number) =>
      new Set(
        Array.from({ length: n }, (_, i) => data.facts(i)).map(({ hair, clothes, hat }) => `${hair} ${clothes} ${hat}`),
      );
    const [seen, unseen] = [combinations(train, 500), combinations(heldOut, 200)];
    const hatless = [...unseen].filter(
      (combination) => combination.endsWith('undefined') && !combination.startsWith('undefined'),
    );
    expect(hatless.length).toBeGreaterThan(5);
    for (const combination of hatless) expect(seen.has(combination)).toBe(false);
    expect(style.variants.hair).toHaveLength(45);
  });

  test('other sizes are squares of pixels; sizes that are not multiples are scaled', async () => {
    const [plain, large, scaled] = await Promise.all([
      openDataset('pixel-art'),
      openDataset('pixel-art', { imageSize: 32, split: 'train' }),
      openDataset('pixel-art', { imageSize: 24, channels: 1 }),
    ]);
    expect([large.shape, scaled.shape]).toEqual([
      [32, 32, 3],
      [24, 24, 1],
    ]);
    const [small, big] = [await plain.image(7), await large.image(7)];
    for (const [y, x] of [
      [0, 0],
      [13, 5],
      [31, 31],
    ])
      expect(big[3 * (32 * y + x)]).toBe(small[3 * (16 * (y >> 1) + (x >> 1))]);
    expect(scaled.captions!(7)).toEqual(plain.captions!(7));
    await expect(openPixelArt({ side: 20 })).rejects.toThrow('pixel-art: the side must be a multiple of 16, got 20');
  });

  test('examples have a caption of each image as tokens, another one in another epoch', async () => {
    const data = await openPixelArt();
    const one = withTokens(
      { ...data, size: 1 },
      { length: 2, encode: (caption) => Int32Array.of(data.captions(0).indexOf(caption), 7) },
    );
    const chosen: number[] = [];
    for await (const { tokens } of examples(one, { batchSize: 4, seed: 0 })) {
      expect(tokens!.item).toEqual([2]);
      chosen.push(tokens!.data[0]);
      if (chosen.length === 30) break;
    }
    expect(new Set(chosen).size).toBeGreaterThan(3);
    expect(chosen.every((k) => k >= 0)).toBe(true);
    expect(() => withTokens({ size: 1, shape: [1, 1, 1], image: () => new Uint8Array(1) }, one.tokenizer!)).toThrow(
      'withTokens: the dataset has no captions to make tokens of',
    );
  });
});

describe('the reader', () => {
  test('reads every fact of a portrait, and nothing else', async () => {
    const [data, read] = [await openPixelArt({ split: 'held-out' }), await portraitReader()];
    for (const i of some.slice(0, 6)) {
      const { facts, error } = read(data.image(i) as Uint8Array);
      expect(facts).toEqual(data.facts(i));
      expect(error).toBe(0);
    }
    expect(() => read(new Uint8Array(3))).toThrow('portraitReader: expected 16×16×3 bytes, got 3');
  });

  test('reads colours in spite of noise with a standard deviation of 20 levels', async () => {
    const [data, read] = [await openPixelArt({ split: 'test' }), await portraitReader()];
    for (const i of some.slice(0, 4)) {
      const rng = new Random(i);
      const noisy = new Uint8ClampedArray((data.image(i) as Uint8Array).map((v) => v)).map(
        (v) => v + 20 * rng.normal(),
      );
      const { hair, clothes, hat, glasses } = read(new Uint8Array(noisy)).facts;
      const truth = data.facts(i);
      expect([hair, clothes, hat, glasses]).toEqual([truth.hair, truth.clothes, truth.hat, truth.glasses]);
    }
  });
});

test('agreement counts what was asked for, and colours together', () => {
  const asked = [
    { hair: 'red', clothes: 'blue', hat: 'gray', glasses: 'dark' as const },
    { hair: 'red', clothes: 'mint' },
  ];
  const read = [
    { hair: 'red', clothes: 'navy', hat: 'gray', glasses: 'light' as const },
    { clothes: 'mint', hat: 'red' },
  ];
  expect(agreement(asked, read)).toEqual({
    hair: { asked: 2, right: 1 },
    clothes: { asked: 2, right: 1 },
    hat: { asked: 1, right: 1 },
    glasses: { asked: 1, right: 0 },
    colours: { asked: 5, right: 3 },
  });
  expect(() => agreement(asked, [])).toThrow('agreement: 2 portraits were asked for, and 0 were read');
});

test('other words say the same, and no caption has them', async () => {
  const red = {
    hair: 'green',
    length: 'long',
    glasses: 'dark',
    clothes: 'light blue',
    hat: 'red',
    mouth: 'sad',
  } as const;
  expect(unseenWords(red)).toEqual({
    caption: 'long emerald hair, dark spectacles, sad mouth, light blue shirt, crimson cap',
    facts: { hair: 'green', glasses: 'dark', hat: 'red' },
  });
  expect(unseenWords({ hair: 'black', length: 'short', hat: 'pink' })).toEqual({
    caption: 'short black hair, pink cap',
    facts: { hat: 'pink' },
  });
  expect(unseenWords({ hair: 'black', length: 'short' }).facts).toEqual({});
  const portraits = await openPixelArt();
  const known = new Set(some.flatMap((i) => portraits.captions(i)).flatMap((caption) => caption.split(/\W+/)));
  const unseen = some
    .flatMap((i) => unseenWords(portraits.facts(i)).caption.split(/\W+/))
    .filter((word) => !known.has(word));
  expect([...new Set(unseen)].sort()).toEqual([
    'azure',
    'cap',
    'chestnut',
    'crimson',
    'emerald',
    'golden',
    'spectacles',
    'violet',
  ]);
});
