import { describe, expect, test } from '@jest/globals';
import { Random } from '@ddpm/random';
import type { Examples, ExamplesOptions } from './examples';
import { batchCount, examples, readExamples } from './examples';
import type { Dataset } from './dataset';
import { arrayDataset } from './dataset';
import { holdOut, subset } from './subset';
import { withEncodedCaptions } from './with-tokens';

/** Image i is the row i, 255, 0, and so is known from its pixels; a flip shows. */
const numbered = (size: number): Dataset =>
  arrayDataset({
    pixels: Uint8Array.from({ length: 3 * size }, (_, k) => [Math.floor(k / 3), 255, 0][k % 3]),
    shape: [1, 3, 1],
    labels: Array.from({ length: size }, (_, i) => i % 10),
  });

/** The first `count` batches; an epoch of a hundred in sixteens by default. */
async function collect(
  dataset: Dataset,
  { count = 7, ...options }: Partial<ExamplesOptions> & { count?: number } = {},
): Promise<Examples[]> {
  const all: Examples[] = [];
  if (count === 0) return all;
  for await (const batch of examples(dataset, { batchSize: 16, seed: 1, ...options })) {
    all.push(batch);
    if (all.length === count) break;
  }
  return all;
}

const pixels = (all: Examples[]) => all.flatMap(({ image }) => [...image.data]);
/** Which images they are. */
const numbers = (all: Examples[]) =>
  pixels(all).flatMap((value, k) => (k % 3 === 0 ? [Math.round((value + 1) * 127.5)] : []));

describe('examples', () => {
  const dataset = numbered(100);

  test('give every image once an epoch, in [−1, 1], with its label; the last batch is what is left', async () => {
    const all = await collect(dataset);
    expect(all.map(({ label }) => label!.data.length)).toEqual([16, 16, 16, 16, 16, 16, 4]);
    expect(batchCount(dataset, 16)).toBe(7);
    expect(numbers(all).sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    for (const batch of all) {
      expect([batch.image.item, batch.label!.item]).toEqual([[1, 3, 1], []]);
      numbers([batch]).forEach((i, k) => {
        expect([...batch.image.data.subarray(3 * k, 3 * k + 3)]).toEqual([Math.fround(i / 127.5 - 1), 1, -1]);
        expect(batch.label!.data[k]).toBe(i % 10);
      });
    }
  });

  test('depend on the seed and the number of the batch alone; each epoch has an order of its own', async () => {
    const [one, again, seed, two] = await Promise.all([
      collect(dataset),
      collect(dataset),
      collect(dataset, { seed: 2 }),
      collect(dataset, { count: 14 }),
    ]);
    expect(again).toEqual(one);
    expect(two.slice(0, 7)).toEqual(one);
    for (const other of [seed, two.slice(7)]) expect(numbers(other)).not.toEqual(numbers(one));
    expect(numbers(two.slice(7)).sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(pixels(await collect(dataset, { batchSize: 7, count: 15 }))).toEqual(pixels(one));
    // Pinned, so that no version changes the order unnoticed.
    expect(numbers(one).slice(0, 8)).toMatchInlineSnapshot(`
     [
       89,
       78,
       70,
       44,
       38,
       97,
       19,
       48,
     ]
    `);
  });

  test('start anywhere, in a later epoch too', async () => {
    const all = await collect(dataset, { count: 16 });
    for (const start of [0, 1, 6, 7, 10, 14])
      expect(await collect(dataset, { start, count: 16 - start })).toEqual(all.slice(start));
  });

  test('flip with probability p', async () => {
    const flips = async (flip: number) => {
      const images = pixels(await collect(numbered(250), { flip, batchSize: 250, count: 1 }));
      return images.filter((value, k) => k % 3 === 2 && value !== -1).length;
    };
    // Image 0 ends in −1 either way.
    expect(await flips(0)).toBe(0);
    expect(await flips(1)).toBe(249);
    expect(Math.abs((await flips(0.3)) - 75)).toBeLessThan(4 * Math.sqrt(250 * 0.3 * 0.7));
    expect(numbers(await collect(dataset, { flip: 0.5 })).filter((i) => i === 255 || i === 0).length).toBeGreaterThan(
      20,
    );
  });

  test('decode one batch ahead, at most 8 images at a time, in an order that does not depend on speed', async () => {
    const random = new Random(9);
    const asked: number[] = [];
    let running = 0;
    let most = 0;
    const slow: Dataset = {
      ...dataset,
      image: async (i) => {
        asked.push(i);
        most = Math.max(most, ++running);
        await new Promise((resolve) => setTimeout(resolve, random.integer(4)));
        running--;
        return dataset.image(i);
      },
    };
    const stream = examples(slow, { batchSize: 16, seed: 1 });
    const all = [(await stream.next()).value as Examples];
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(asked).toHaveLength(32);
    while (all.length < 7) all.push((await stream.next()).value as Examples);
    await stream.return();
    expect(all).toEqual(await collect(dataset));
    expect(most).toBe(8);
  });

  test('a failure is thrown when its batch is asked for', async () => {
    const third = numbers((await collect(dataset)).slice(2, 3));
    const broken: Dataset = {
      ...dataset,
      image: (i) => (i === third[3] ? Promise.reject(new Error('disk on fire')) : dataset.image(i)),
    };
    const stream = examples(broken, { batchSize: 16, seed: 1 });
    await stream.next();
    await stream.next();
    await new Promise((resolve) => setTimeout(resolve, 5));
    await expect(stream.next()).rejects.toThrow('disk on fire');
  });

  test('keep colours together when they flip', async () => {
    const colour = arrayDataset({ pixels: Uint8Array.of(0, 51, 102, 153, 204, 255), shape: [1, 2, 3] });
    const [{ image, label }] = await collect(colour, { flip: 1, count: 1 });
    expect([...image.data].map((v) => Math.round((v + 1) * 127.5))).toEqual([153, 204, 255, 0, 51, 102]);
    expect(label).toBeUndefined();
  });

  test('name what is wrong', async () => {
    const options = { batchSize: 16, seed: 1 };
    expect(() => examples(dataset, { ...options, batchSize: 0 })).toThrow(
      'examples: batchSize must be a whole number of at least 1, got 0',
    );
    expect(() => examples(dataset, { ...options, start: -1 })).toThrow(
      'examples: start must be a whole number of at least 0, got -1',
    );
    expect(() => examples(dataset, { ...options, flip: 1.5 })).toThrow('examples: flip must be from 0 to 1, got 1.5');
    expect(() => examples(dataset, { ...options, seed: 0.5 })).toThrow('got 0.5');
    const short: Dataset = { ...dataset, image: () => new Uint8Array(2) };
    await expect(collect(short)).rejects.toThrow(/image \d+ has 2 bytes, but the dataset's shape is 1×3×1/);
  });
});

test('a subset is a part of a dataset, its labels with it', async () => {
  const part = subset(numbered(20), 5, 8);
  const read = await readExamples(part, Int32Array.of(2, 0));
  expect(part.size).toBe(3);
  expect(numbers([read])).toEqual([7, 5]);
  expect([...read.label!.data]).toEqual([7, 5]);
});

test('images that are held out are spread evenly, so that each class gives its share, and the others stay in order', async () => {
  const byClass: Dataset = { ...numbered(12), label: (i) => Math.floor(i / 4), captions: (i) => [`number ${i}`] };
  const { kept, heldOut } = holdOut(byClass, 3);
  expect([kept.size, heldOut.size]).toEqual([9, 3]);
  const read = await readExamples(heldOut, Int32Array.of(0, 1, 2));
  expect(numbers([read])).toEqual([2, 6, 10]);
  expect([...read.label!.data]).toEqual([0, 1, 2]);
  expect(heldOut.captions!(1)).toEqual(['number 6']);
  expect(
    numbers([
      await readExamples(
        kept,
        Int32Array.from({ length: 9 }, (_, i) => i),
      ),
    ]),
  ).toEqual([...[0, 1, 3, 4, 5, 7, 8, 9, 11]]);
  for (const n of [0, 1, 11]) expect(holdOut(byClass, n).heldOut.size).toBe(n);
  for (const n of [12, -1, 1.5])
    expect(() => holdOut(byClass, n)).toThrow(
      `holdOut: must leave some of 12 images, and hold out a whole number of them; got ${n}`,
    );
});

test('examples have what an encoder says of a caption of each image, the same caption wherever they start', async () => {
  const captions = (i: number) => [`${i}`, `${i}`.repeat(2), `${i}`.repeat(3)];
  const read = (caption: string) => {
    const present = Float32Array.from({ length: 3 }, (_, k) => Number(k < caption.length));
    return Promise.resolve({ text: present.map((there) => there * Number(caption[0])), present });
  };
  const told = withEncodedCaptions({ ...numbered(4), captions }, { length: 3, features: 1, read });
  const batches = await collect(told, { batchSize: 4, count: 9 });
  for (const { image, text, present } of batches) {
    expect([text!.item, present!.item]).toEqual([[3, 1], [3]]);
    image.data.forEach((_, at) => {
      if (at % 3 !== 0) return;
      const number = Math.round((image.data[at] + 1) * 127.5);
      expect(text!.data[at]).toBe(number);
      expect(present!.data[at]).toBe(1);
    });
  }
  const lengths = batches.flatMap(({ present }) => [0, 1, 2, 3].map((k) => present!.data.subarray(3 * k, 3 * k + 3)));
  expect(new Set(lengths.map((there) => there.join(''))).size).toBe(3);
  expect((await collect(told, { batchSize: 4, count: 1, start: 8 }))[0]).toEqual(batches[8]);
  expect(() => withEncodedCaptions(numbered(1), { length: 3, features: 1, read })).toThrow(
    'withEncodedCaptions: the dataset has no captions to encode',
  );
});
