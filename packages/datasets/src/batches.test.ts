import { describe, expect, test } from '@jest/globals';
import { Random } from '@ddpm/random';
import { batchCount, batches, type Batch, type BatchOptions } from './batches';
import { arrayDataset, type Dataset } from './dataset';

/** Image i is the row i, 255, 0: a flip shows. */
const numbered = (size: number): Dataset =>
  arrayDataset({
    pixels: Uint8Array.from({ length: 3 * size }, (_, k) => [Math.floor(k / 3), 255, 0][k % 3]),
    shape: [1, 3, 1],
    labels: Array.from({ length: size }, (_, i) => i % 10),
  });

async function collect(dataset: Dataset, options: Partial<BatchOptions> = {}): Promise<Batch[]> {
  const all = [];
  for await (const batch of batches(dataset, { batchSize: 16, seed: 1, epoch: 0, ...options })) all.push(batch);
  return all;
}

const flat = (all: Batch[], what: 'images' | 'indices') => all.flatMap((batch) => Array.from<number>(batch[what]));

describe('batches', () => {
  const dataset = numbered(100);

  test('give every image once, in [−1, 1], with its label; the last batch is what is left', async () => {
    const all = await collect(dataset);
    expect(all.map(({ size }) => size)).toEqual([16, 16, 16, 16, 16, 16, 4]);
    expect(batchCount(dataset, 16)).toBe(7);
    expect(flat(all, 'indices').sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    for (const { images, labels, indices } of all) {
      indices.forEach((i, k) => {
        const row = [...images.subarray(3 * k, 3 * k + 3)];
        expect(row[1]).toBe(1);
        expect(row).toEqual([Math.fround(i / 127.5 - 1), 1, -1]);
        expect(labels?.[k]).toBe(i % 10);
      });
    }
  });

  test('depend on seed and epoch alone, whatever the batch size', async () => {
    const [one, again, seed, epoch] = await Promise.all([
      collect(dataset),
      collect(dataset),
      collect(dataset, { seed: 2 }),
      collect(dataset, { epoch: 1 }),
    ]);
    expect(again).toEqual(one);
    for (const other of [seed, epoch]) expect(flat(other, 'indices')).not.toEqual(flat(one, 'indices'));
    expect(flat(await collect(dataset, { batchSize: 7 }), 'images')).toEqual(flat(one, 'images'));
    expect(flat(await collect(dataset, { flip: 0.5 }), 'indices')).toEqual(flat(one, 'indices'));
    // Pinned, so that no version changes the order unnoticed.
    expect(flat(one, 'indices').slice(0, 8)).toMatchInlineSnapshot(`
     [
       24,
       84,
       66,
       41,
       71,
       86,
       1,
       52,
     ]
    `);
  });

  test('start anywhere', async () => {
    const all = await collect(dataset);
    for (let start = 0; start <= 7; start++) expect(await collect(dataset, { start })).toEqual(all.slice(start));
  });

  test('flip with probability p', async () => {
    const flips = async (flip: number) => {
      const images = flat(await collect(numbered(250), { flip, batchSize: 250 }), 'images');
      return images.filter((value, k) => k % 3 === 2 && value !== -1).length;
    };
    // Image 0 ends in −1 either way.
    expect(await flips(0)).toBe(0);
    expect(await flips(1)).toBe(249);
    expect(Math.abs((await flips(0.3)) - 75)).toBeLessThan(4 * Math.sqrt(250 * 0.3 * 0.7));
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
    const stream = batches(slow, { batchSize: 16, seed: 1, epoch: 0 });
    const first = await stream.next();
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(asked).toHaveLength(32);
    const rest: Batch[] = [];
    for await (const batch of stream) rest.push(batch);
    expect([first.value, ...rest]).toEqual(await collect(dataset));
    expect(most).toBe(8);
  });

  test('a failure is thrown when its batch is asked for', async () => {
    const { indices } = (await collect(dataset))[2];
    const broken: Dataset = { ...dataset, image: (i) => (i === indices[3] ? Promise.reject(new Error('disk on fire')) : dataset.image(i)) };
    const stream = batches(broken, { batchSize: 16, seed: 1, epoch: 0 });
    await stream.next();
    await stream.next();
    await new Promise((resolve) => setTimeout(resolve, 5));
    await expect(stream.next()).rejects.toThrow('disk on fire');
  });

  test('keep colours together when they flip', async () => {
    const colour = arrayDataset({ pixels: Uint8Array.of(0, 51, 102, 153, 204, 255), shape: [1, 2, 3] });
    const [{ images, labels }] = await collect(colour, { flip: 1 });
    expect([...images].map((v) => Math.round((v + 1) * 127.5))).toEqual([153, 204, 255, 0, 51, 102]);
    expect(labels).toBeUndefined();
  });

  test('name what is wrong', async () => {
    const options = { batchSize: 16, seed: 1, epoch: 0 };
    expect(() => batches(dataset, { ...options, batchSize: 0 })).toThrow('batches: batchSize must be a whole number of at least 1, got 0');
    expect(() => batches(dataset, { ...options, start: 8 })).toThrow('batches: start must be a whole number from 0 to 7, got 8');
    expect(() => batches(dataset, { ...options, flip: 1.5 })).toThrow('batches: flip must be from 0 to 1, got 1.5');
    expect(() => batches(dataset, { ...options, epoch: 0.5 })).toThrow('got 0.5');
    const short: Dataset = { ...dataset, image: () => new Uint8Array(2) };
    await expect(collect(short)).rejects.toThrow(/image \d+ has 2 bytes, but the dataset's shape is 1×3×1/);
  });
});
