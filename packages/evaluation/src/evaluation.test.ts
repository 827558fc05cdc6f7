import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Classifier } from '@ddpm/classifier';
import { exportOnnx } from '@ddpm/compile';
import type { Dataset } from '@ddpm/datasets';
import { arrayDataset, openDataset, subset } from '@ddpm/datasets';
import type { Execution } from '@ddpm/execution';
import { prepareExecution } from '@ddpm/execution';
import { Random } from '@ddpm/random';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { FeatureNetwork, Reference } from './index';
import {
  floorOf,
  measure,
  neighboursPicture,
  onnxFeatures,
  openFeatures,
  isKept,
  openReference,
  pixelFeatures,
  see,
  someOf,
} from './index';

let cacheDir: string;
let execution: Execution;
let garments: Dataset;
beforeAll(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), 'ddpm-evaluation-'));
  execution = await prepareExecution('compiled');
  garments = await openDataset('fashion-mnist-10k');
});
afterAll(() => rm(cacheDir, { recursive: true }));

/** Images changed one by one. */
async function changed(images: Dataset, change: (pixels: Uint8Array, i: number) => Uint8Array): Promise<Dataset> {
  const [h, w, c] = images.shape;
  const pixels = new Uint8Array(images.size * h * w * c);
  for (let i = 0; i < images.size; i++) pixels.set(change(await images.image(i), i), i * h * w * c);
  return arrayDataset({ pixels, shape: images.shape });
}
/** Each pixel the mean of those at most so far away. */
const blurred = (reach: number) => (pixels: Uint8Array) =>
  pixels.map((_, p) => {
    let [sum, count] = [0, 0];
    for (let y = Math.floor(p / 28) - reach; y <= Math.floor(p / 28) + reach; y++)
      for (let x = (p % 28) - reach; x <= (p % 28) + reach; x++)
        if (y >= 0 && y < 28 && x >= 0 && x < 28) {
          sum += pixels[y * 28 + x];
          count++;
        }
    return sum / count;
  });
const noised = (deviation: number) => (pixels: Uint8Array, i: number) => {
  const noise = new Random(['noise', i]).normals(784);
  return Uint8Array.from(pixels, (value, p) => Math.min(255, Math.max(0, value + deviation * noise[p])));
};

describe('by the features of Fashion-MNIST', () => {
  let network: FeatureNetwork;
  let reference: Reference;
  beforeAll(async () => {
    network = await openFeatures('fashion-mnist', execution);
    reference = await openReference('garments', subset(garments, 0, 600), network, { cacheDir });
  });
  afterAll(() => network.dispose());

  test('real images of the right class are seen as such', async () => {
    const images = subset(garments, 600, 1000);
    const { classAccuracy } = measure(network, images, await see(network, images), reference);
    expect(classAccuracy).toBeGreaterThan(0.9);
  });

  test('blurred, noised and fewer kinds of images score worse, the more the worse', async () => {
    const real = subset(garments, 600, 900);
    const of = async (images: Dataset) => measure(network, images, await see(network, images), reference);
    const whole = await of(real);
    const fewer = async (classes: number) => {
      const kept = Array.from({ length: 2000 }, (_, i) => 600 + i).filter((i) => garments.label!(i) < classes);
      return of(await changed(subset(garments, 0, 300), (_, i) => garments.image(kept[i]) as Uint8Array));
    };
    const series = [
      [await of(await changed(real, blurred(1))), await of(await changed(real, blurred(3)))],
      [await of(await changed(real, noised(40))), await of(await changed(real, noised(100)))],
      [await fewer(6), await fewer(2)],
    ];
    for (const [some, more] of series) {
      expect(some.frechetDistance).toBeGreaterThan(1.3 * whole.frechetDistance);
      expect(more.frechetDistance).toBeGreaterThan(1.5 * some.frechetDistance);
      expect(some.kernelDistance.value).toBeGreaterThan(whole.kernelDistance.value);
      expect(more.kernelDistance.value).toBeGreaterThan(some.kernelDistance.value + 3 * some.kernelDistance.error);
    }
    // Few kinds of good images: quality without variety.
    const [, two] = series[2];
    expect(two.precision).toBeGreaterThan(0.8);
    expect(two.recall).toBeLessThan(0.6 * whole.recall);
    // Noisy ones have less of both.
    expect(series[1][1].precision).toBeLessThan(0.7 * whole.precision);
    expect(series[1][1].recall).toBeLessThan(0.7 * whole.recall);
  });

  test('classes are matched by their names', async () => {
    const images = subset(garments, 0, 100);
    const seen = await see(network, images);
    const accuracy = (classNames: readonly string[], label: (i: number) => number) =>
      measure(network, { size: 100, label, classNames }, seen, reference).classAccuracy;
    const names = network.classNames!;
    const reversed = [...names].reverse();
    const plain = accuracy(names, (i) => garments.label!(i));
    expect(accuracy(reversed, (i) => 9 - garments.label!(i))).toBe(plain);
    expect(accuracy(['cat', 'dog'], () => 0)).toBeUndefined();
  });

  test('other images are refused in a line that says what to do', () => {
    const colour = arrayDataset({ pixels: new Uint8Array(32 * 32 * 3), shape: [32, 32, 3] });
    expect(() => network.fit(colour)).toThrow(
      'the features fashion-mnist are of 28×28×1 images, and these are 32×32×3; name others: a classifier of such images, or an ONNX file',
    );
  });

  test('what is no classifier is refused', async () => {
    const path = join(cacheDir, 'other.safetensors');
    await writeFile(path, 'nothing');
    await expect(openFeatures(path, execution)).rejects.toThrow(`${path} cannot be used for features: safetensors: `);
    await expect(openFeatures(join(cacheDir, 'absent'), execution)).rejects.toThrow('absent cannot be read: ');
  });
});

/** Two numbers of an image: its mean and its first pixel. */
const plain: FeatureNetwork & { asked: number } = {
  ...{ name: 'plain', hash: 'p1', asked: 0 },
  fit: (images) => images,
  run(images, [n]) {
    plain.asked += n;
    const each = images.length / n;
    const rows = Array.from({ length: n }, (_, i) => images.subarray(i * each, (i + 1) * each));
    return Promise.resolve({
      features: Float32Array.from(rows.flatMap((row) => [row.reduce((sum, value) => sum + value, 0) / each, row[0]])),
    });
  },
  dispose: () => Promise.resolve(),
};
const dots = (n: number, seed: number) =>
  arrayDataset({ pixels: Uint8Array.from(new Random(seed).integers(n * 4, 256)), shape: [2, 2, 1] });

describe('real images', () => {
  const folder = () => join(cacheDir, 'features');
  test('are seen once: what the network makes of them is kept, and made again where that is damaged', async () => {
    const images = dots(130, 1);
    plain.asked = 0;
    expect(await isKept(images, plain, { cacheDir })).toBe(false);
    const first = await openReference('dots', images, plain, { cacheDir });
    for (const same of [images, dots(130, 1)]) expect(await isKept(same, plain, { cacheDir })).toBe(true);
    expect(await isKept(dots(130, 2), plain, { cacheDir })).toBe(false);
    expect(plain.asked).toBe(130);
    const again = await openReference('dots', dots(130, 1), plain, { cacheDir });
    expect(plain.asked).toBe(130);
    expect(again.seen.features).toEqual(first.seen.features);
    await openReference('dots', dots(130, 2), plain, { cacheDir });
    expect(plain.asked).toBe(260);
    await openReference('dots', images, { ...plain, hash: 'p2' }, { cacheDir });
    expect(plain.asked).toBe(390);
    await writeFile(join(folder(), `p1-${first.hash}.safetensors`), 'broken');
    expect((await openReference('dots', images, plain, { cacheDir })).seen.features).toEqual(first.seen.features);
    expect(plain.asked).toBe(520);
  });

  test('have a floor: of the test split, or of a part that the others are measured without', async () => {
    const reference = await openReference('dots', dots(200, 3), plain, { cacheDir });
    const other = await openReference('dots', dots(60, 4), plain, { cacheDir });
    const floor = await floorOf(plain, { reference, test: other }, 50, { cacheDir });
    expect(floor.n).toBe(50);
    const count = (await readdir(folder())).length;
    expect(await floorOf(plain, { reference, test: other }, 50, { cacheDir })).toEqual(floor);
    expect(await readdir(folder())).toHaveLength(count);
    expect((await floorOf(plain, { reference, test: other }, 500, { cacheDir })).n).toBe(60);
    const split = await floorOf(plain, { reference }, 500, { cacheDir });
    expect(split.n).toBe(100);
    expect(split.frechetDistance).toBeGreaterThan(0);
    await expect(
      floorOf(plain, { reference, test: { ...other, images: dots(5, 1) } }, 50, { cacheDir }),
    ).rejects.toThrow('at least 20 images are needed to measure anything, got 5');
  });

  test('are drawn without replacement', () => {
    const images = dots(40, 5);
    const drawn = someOf(images, 40, 1);
    const keys = (of: Dataset) => Array.from({ length: of.size }, (_, i) => (of.image(i) as Uint8Array).join());
    expect(keys(drawn)).not.toEqual(keys(images));
    expect(keys(drawn).sort()).toEqual(keys(images).sort());
    expect(() => someOf(images, 41, 1)).toThrow('someOf: there are 40 images, fewer than 41');
  });

  test('that are nearest stand beside each image', async () => {
    const images = dots(30, 6);
    const reference = await openReference('dots', images, plain, { cacheDir });
    const picture = await neighboursPicture(
      subset(images, 3, 5),
      (await see(plain, subset(images, 3, 5))).features,
      reference,
      { k: 2 },
    );
    expect([picture.width, picture.height]).toEqual([2 + 3 * 4, 2 + 2 * 4]);
    const cell = (x: number, y: number) =>
      [0, 1].flatMap((dy) => [0, 1].map((dx) => picture.data[(2 + y * 4 + dy) * picture.width + 2 + x * 4 + dx]));
    for (const row of [0, 1]) {
      expect(cell(0, row)).toEqual([...(images.image(3 + row) as Uint8Array)]);
      expect(cell(1, row)).toEqual(cell(0, row));
    }
  });
});

describe('an ONNX file', () => {
  const network = new Classifier({ classes: 4, channels: 3, widths: [8, 16] });
  const images = arrayDataset({
    pixels: Uint8Array.from(new Random(7).integers(5 * 6 * 6 * 3, 256)),
    shape: [6, 6, 3],
  });
  const write = async (
    name: string,
    fn: (x: tf.Tensor4D) => Record<string, tf.Tensor>,
    shape: number[],
    dynamicBatch = true,
  ) => {
    const path = join(cacheDir, name);
    await writeFile(path, exportOnnx(fn, [tf.zeros(shape)], { dynamicBatch }));
    return path;
  };
  const expected = async (scale = (x: tf.Tensor4D): tf.Tensor4D => x) => {
    const bytes = Array.from({ length: 5 }, (_, i) => [...(images.image(i) as Uint8Array)]).flat();
    const x = tf.tensor4d(
      bytes.map((value) => value / 127.5 - 1),
      [5, 6, 6, 3],
    );
    return [...(await network.features(scale(x)).data())];
  };
  const close = (actual: ArrayLike<number>, wanted: number[]) => {
    expect(actual).toHaveLength(wanted.length);
    wanted.forEach((value, i) => expect(actual[i]).toBeCloseTo(value, 4));
  };

  test('of [n, h, w, c] makes the features of its first output, or of one by name', async () => {
    const path = await write(
      'nhwc.onnx',
      (x) => ({ logits: network.apply(x), features: network.features(x) }),
      [1, 6, 6, 3],
    );
    const features = await onnxFeatures(path, { output: 'features' });
    const seen = await see(features, images);
    expect(seen.features.width).toBe(16);
    close(seen.features.data, await expected());
    expect((await see(await onnxFeatures(path), images)).features.width).toBe(4);
    expect(features.hash).not.toBe((await onnxFeatures(path)).hash);
    await expect(onnxFeatures(path, { output: 'pool' })).rejects.toThrow(
      'nhwc.onnx cannot be used for features: it has no output pool, but logits, features',
    );
  });

  test('of [n, c, h, w] and of one batch too, in the range that it wants', async () => {
    const fn = (x: tf.Tensor4D) => ({ f: network.features(tf.sub(tf.div(tf.transpose(x, [0, 2, 3, 1]), 127.5), 1)) });
    const path = await write('nchw.onnx', fn, [2, 3, 6, 6], false);
    const { features } = await see(await onnxFeatures(path, { range: [0, 255] }), images);
    close(features.data, await expected());
  });

  test('is given images of its own size and channels', async () => {
    const path = await write('large.onnx', (x) => ({ f: network.features(x) }), [1, 8, 8, 3]);
    const gray = arrayDataset({ pixels: Uint8Array.from(new Random(8).integers(72, 256)), shape: [6, 6, 1] });
    expect((await onnxFeatures(path)).fit(gray).shape).toEqual([8, 8, 3]);
    expect((await see(await onnxFeatures(path), gray)).features).toMatchObject({ width: 16 });
  });

  test('that cannot be used is refused in one line', async () => {
    const square = await write('square.onnx', (x) => ({ f: tf.mean(x, [1, 2]) }), [1, 3, 3, 3]);
    await expect(onnxFeatures(square)).rejects.toThrow(
      /shape \[.*3, 3, 3\] does not tell whether it is nchw or nhwc; say which/,
    );
    const spatial = await write('spatial.onnx', (x) => ({ f: tf.relu(x) }), [1, 6, 6, 3]);
    await expect(see(await onnxFeatures(spatial), images)).rejects.toThrow(
      'its output f should be [n, width], but is [5, 6, 6, 3]',
    );
    const flat = await write('flat.onnx', (x) => ({ f: tf.relu(x) }), [1, 6]);
    await expect(onnxFeatures(flat)).rejects.toThrow(
      /its input input0 should be float32 of four axes, but is float32 \[.*6\]/,
    );
    const broken = join(cacheDir, 'broken.onnx');
    await writeFile(broken, 'nothing');
    await expect(onnxFeatures(broken)).rejects.toThrow('broken.onnx cannot be used for features: ');
  });
});

test('pixels as features are means of squares, which are cut at the edges', async () => {
  // 10×9 with two channels: squares of 2×2, and five rows and columns of them, the last one pixel wide.
  const images = Float32Array.from({ length: 2 * 10 * 9 * 2 }, (_, i) => Math.sin(i));
  const { features } = await pixelFeatures().run(images, [2, 10, 9, 2]);
  expect(features).toHaveLength(2 * 5 * 5 * 2);
  const at = (i: number, y: number, x: number, k: number) => images[((i * 10 + y) * 9 + x) * 2 + k];
  const feature = (i: number, row: number, column: number, k: number) => features[((i * 5 + row) * 5 + column) * 2 + k];
  expect(feature(1, 2, 3, 1)).toBeCloseTo((at(1, 4, 6, 1) + at(1, 4, 7, 1) + at(1, 5, 6, 1) + at(1, 5, 7, 1)) / 4, 6);
  expect(feature(0, 4, 4, 0)).toBeCloseTo((at(0, 8, 8, 0) + at(0, 9, 8, 0)) / 2, 6);
});
