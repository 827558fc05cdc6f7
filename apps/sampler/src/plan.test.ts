import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Network } from '@ddpm/diffusion';
import { image as predictsImage, levelAt } from '@ddpm/diffusion';
import { encodePng } from '@ddpm/images/png';
import type { CaptionMeaning, DrawOptions, Model } from '@ddpm/models';
import { draw, edmLevels, flowLevels, scheduleLevels } from '@ddpm/models';
import { Random } from '@ddpm/random';
import { trainWords } from '@ddpm/text';
import { cosineSchedule } from '@ddpm/schedules';
import * as tf from '@tensorflow/tfjs';
import { afterAll, describe, expect, test } from '@jest/globals';
import { settingsFrom } from './options';
import { planFor } from './plan';

const folder = mkdtempSync(join(tmpdir(), 'ddpm-plan-'));
afterAll(() => rmSync(folder, { recursive: true }));

const image = [2, 3, 1] as const;
const size = 6;
const schedule = cosineSchedule({ timesteps: 50 });
/** E[x_0 | x] where every pixel is N(m, 0.25), m = 0, or by its class; the last is that of no class. */
const means = [-0.5, 0.5, 0];
const best = (conditions: readonly string[]): Network => ({
  conditions,
  apply(x, t, condition) {
    const column = (values: number[]) => tf.tensor4d(values, [values.length, 1, 1, 1]);
    const levels = Array.from(t.dataSync(), (time) => levelAt(schedule, time));
    const labels = (condition?.label.dataSync() as Int32Array | undefined) ?? new Int32Array(levels.length).fill(2);
    const [m, s] = [column(Array.from(labels, (label) => means[label])), column(levels.map(({ signal }) => signal))];
    const gain = column(levels.map(({ signal, sigma }) => (signal * 0.25) / (signal ** 2 * 0.25 + sigma ** 2)));
    return tf.add(m, tf.mul(gain, tf.sub(x, tf.mul(s, m))));
  },
});

const model: Model = {
  ...{ kind: 'checkpoint', folder, description: '', unusable: [], trained: {} },
  denoiser: {
    ...{ network: best([]), parameters: new Map(), image },
    ...{ parameterisation: predictsImage, levels: scheduleLevels(schedule) },
  },
};
const ofClasses: Model = {
  ...model,
  denoiser: { ...model.denoiser, network: best(['label']), classNames: ['dark', 'light'], labelDropout: 0.1 },
};
type Given = Readonly<Record<string, unknown>>;
const images = async (of: Model, settings: Given, options: Partial<DrawOptions> = {}) => {
  const plan = await planFor(of, settingsFrom(settings));
  const { network } = of.denoiser;
  return draw({ ...plan.options, network, ...plan.way().way, ...options });
};

/** Writes a gray picture. */
function picture(name: string, data: readonly number[], width = 3): string {
  const path = join(folder, name);
  writeFileSync(path, encodePng({ width, height: data.length / width, channels: 1, data: Uint8Array.from(data) }));
  return path;
}
const [first, second] = [picture('a.png', [0, 60, 120, 160, 200, 255]), picture('b.png', [255, 128, 0, 255, 128, 0])];
const values = (bytes: readonly number[]) => bytes.map((byte) => byte / 127.5 - 1);
const furthest = (drawn: Float32Array, expected: ArrayLike<number>) =>
  drawn.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0);

describe('guidance', () => {
  test('of 1 is the conditional model to the bit, of 0 the unconditional one, and of more goes beyond', async () => {
    const asked = { count: 3, class: 'light', clip: false };
    const [plain, one, none, more] = [
      await images(ofClasses, asked),
      await images(ofClasses, { ...asked, guidance: 1 }),
      await images(ofClasses, { ...asked, guidance: 0 }),
      await images(ofClasses, { ...asked, guidance: 3 }),
    ];
    expect(one).toEqual(plain);
    expect(none).toEqual(await images(model, { count: 3, clip: false }));
    const mean = (drawn: Float32Array) => drawn.reduce((sum, value) => sum + value, 0) / drawn.length;
    expect(mean(more) - mean(plain)).toBeGreaterThan(0.5);
  });
});

test('classes are drawn in turn, by name and number', async () => {
  const labels = async (asked?: string) =>
    (await planFor(ofClasses, settingsFrom({ count: 4, class: asked }))).options.condition!.label.data;
  expect([...(await labels())]).toEqual([0, 1, 0, 1]);
  expect([...(await labels('Light'))]).toEqual([1, 1, 1, 1]);
  expect([...(await labels('light,0,1'))]).toEqual([1, 0, 1, 1]);
});

describe('a picture', () => {
  const pixels = values([0, 60, 120, 160, 200, 255]);
  test('is hardly changed by a little strength, and more by more, each image in its own way', async () => {
    const changed = async (strength: number) => images(model, { from: first, count: 2, steps: 40, strength });
    const [little, much] = [await changed(0.02), await changed(0.9)];
    expect(furthest(little, [...pixels, ...pixels])).toBeLessThan(0.15);
    expect(furthest(much, [...pixels, ...pixels])).toBeGreaterThan(0.5);
    expect(much.subarray(0, size)).not.toEqual(much.subarray(size));
  });

  test('is kept where the mask is black, and drawn anew where it is white', async () => {
    const mask = picture('mask.png', [0, 0, 0, 255, 255, 255]);
    const drawn = await images(model, { from: first, mask, count: 2, steps: 5, resample: 2 });
    for (const one of [drawn.subarray(0, size), drawn.subarray(size)]) {
      expect([...one.subarray(0, 3)]).toEqual(pixels.slice(0, 3).map(Math.fround));
      expect(furthest(one.subarray(3), pixels.slice(3))).toBeGreaterThan(0.1);
    }
    // What is drawn has the data's mean and variance, not the picture's.
    const many = await images(model, { from: first, mask, count: 200, steps: 10, resample: 1 });
    const unknown = many.filter((_, i) => i % size >= 3);
    const mean = unknown.reduce((sum, value) => sum + value, 0) / unknown.length;
    expect(Math.abs(mean)).toBeLessThan(0.1);
  });

  test('of another size and with other channels is brought to the model’s', async () => {
    const large = picture('large.png', new Array<number>(24).fill(200), 6);
    const drawn = await images(model, { from: large, count: 1, steps: 40, strength: 0.01 });
    expect(furthest(drawn, values(new Array<number>(6).fill(200)))).toBeLessThan(0.1);
  });
});

describe('a model that has learned inpainting', () => {
  /** The picture where it is known, and 0.25 elsewhere. */
  const filling: Model = {
    ...model,
    denoiser: {
      ...model.denoiser,
      inpainting: true,
      network: {
        conditions: ['known', 'mask'],
        apply: (_x, _t, { known, mask } = {}) => tf.add(known, tf.mul(mask, 0.25)),
      },
    },
  };
  const pixels = values([0, 60, 120, 160, 200, 255]);

  test('is told what is known, which is kept to the bit, in one go', async () => {
    const mask = picture('half.png', [0, 0, 0, 255, 255, 51]);
    const asked = { from: first, mask, count: 2, steps: 5 };
    const plan = await planFor(filling, settingsFrom(asked));
    expect(plan.way().way.sampler.levels.length).toBe(6);
    const drawn = await images(filling, asked);
    // What is a fifth white is drawn, and mixed in by so much.
    const expected = [...pixels.slice(0, 3), 0.25, 0.25, 0.8 * pixels[5] + 0.2 * 0.25];
    for (const one of [drawn.subarray(0, size), drawn.subarray(size)]) {
      expect([...one.subarray(0, 3)]).toEqual(pixels.slice(0, 3).map(Math.fround));
      expect(furthest(one, expected)).toBeLessThan(1e-6);
    }
    expect(furthest(await images(filling, { ...asked, strength: 0.5 }), [...expected, ...expected])).toBeLessThan(1e-6);
  });

  test('draws all where there is no mask, and refuses RePaint’s jumps', async () => {
    expect([...(await images(filling, { count: 1 }))]).toEqual(Array<number>(size).fill(0.25));
    expect([...(await images(filling, { count: 1, from: first }))]).toEqual(Array<number>(size).fill(0.25));
    await expect(images(filling, { from: first, mask: first, resample: 2 })).rejects.toThrow(
      '--resample is for models that have not learned inpainting, and this one has',
    );
    await expect(images(filling, { from: first, mask: first, interpolate: ['1', '2'] })).rejects.toThrow(
      '--interpolate names its own pictures, and --from goes without it',
    );
  });
});

describe('the way between', () => {
  test('two seeds ends at the images of both, with every kind of sampler', async () => {
    for (const sampler of ['dpm++2m', 'ancestral']) {
      const way = await images(model, { interpolate: ['3', '8'], count: 3, sampler });
      const [a, b] = [
        await images(model, { seed: 3, count: 1, sampler }),
        await images(model, { seed: 8, count: 1, sampler }),
      ];
      expect([...way.subarray(0, size)]).toEqual([...a]);
      expect([...way.subarray(2 * size)]).toEqual([...b]);
      expect(way.subarray(size, 2 * size)).not.toEqual(a);
    }
  });

  test.each([undefined, 0.02])('two pictures ends at both, with strength %p', async (strength) => {
    const way = await images(model, { interpolate: [first, second], count: 4, steps: 50, sampler: 'ddim', strength });
    const ends = [values([0, 60, 120, 160, 200, 255]), values([255, 128, 0, 255, 128, 0])];
    expect(furthest(way.subarray(0, size), ends[0])).toBeLessThan(0.2);
    expect(furthest(way.subarray(3 * size), ends[1])).toBeLessThan(0.2);
  });

  test('does not depend on the batch', async () => {
    const asked = { interpolate: [first, second], count: 4, steps: 5 };
    expect(await images(model, asked, { batch: 3 })).toEqual(await images(model, asked));
  });
});

test('a prior is matched by itself where images show at the noisiest level', async () => {
  const data = { shape: [1, ...image], data: new Float32Array(size).fill(0.7) };
  const [directions, variances] = [
    { shape: [1, 0, ...image], data: new Float32Array(0) },
    { shape: [1, 0], data: new Float32Array(0) },
  ];
  const moments = { mean: data, directions, variances, rest: { shape: [1], data: Float32Array.of(0.01) } };
  const short = { ...model, denoiser: { ...model.denoiser, moments, levels: edmLevels({ max: 1 }) } };
  const prior = async (of: Model, asked?: string) => (await planFor(of, settingsFrom({ prior: asked }))).record.prior;
  expect([await prior(short), await prior(short, 'standard'), await prior(model)]).toEqual([
    ...['matched', 'standard', 'standard'],
  ]);
});

describe('what does not fit is refused with the reason', () => {
  const other = picture('other.png', [1, 2], 2);
  const flow: Model = { ...model, denoiser: { ...model.denoiser, levels: flowLevels() } };
  test.each<[Model, Given, string]>([
    [model, { class: '1' }, '--class is for a model that takes classes, and this one takes none'],
    [model, { guidance: 2 }, '--guidance is for a model that takes classes, and this one takes none'],
    [
      { ...ofClasses, denoiser: { ...ofClasses.denoiser, labelDropout: undefined } },
      { guidance: 2 },
      'this model was not trained to do without its classes',
    ],
    [ofClasses, { guidanceRescale: 0.7 }, '--guidance-rescale goes with --guidance'],
    [ofClasses, { guidanceInterval: [0, 1] }, '--guidance-interval goes with --guidance'],
    [
      ofClasses,
      { class: 'dark,blue' },
      "--class: expected a class, dark, light, or its number from 0 to 1; got 'blue'",
    ],
    [ofClasses, { interpolate: ['1', '2'] }, '--interpolate stays within a class: name one by --class'],
    [model, { threshold: 0.9, clip: false }, '--threshold and --no-clip contradict each other'],
    [model, { prior: 'matched' }, 'this model does not say what its images are like, which a matched prior needs'],
    [model, { sampler: 'unipc2', eta: 0.5 }, 'sampler unipc2 has no η'],
    [
      flow,
      { sampler: 'ancestral' },
      "sampler ancestral takes all of a schedule's timesteps, and this model's levels have none",
    ],
    [flow, { spacing: 'leading' }, "spacing leading is one of a schedule's timesteps"],
    [model, { mask: first }, '--mask is of a picture: name it by --from'],
    [model, { resample: 2 }, '--resample is for --mask'],
    [model, { strength: 0.5 }, '--strength is for --from and --interpolate'],
    [model, { from: first, interpolate: ['1', '2'] }, '--interpolate names its own pictures'],
    [model, { interpolate: ['1', first] }, '--interpolate goes from seed to seed or from picture to picture'],
    [model, { interpolate: ['1', '2'], strength: 0.5 }, '--strength is for pictures'],
    [model, { interpolate: ['1', '2'], count: 1 }, '--interpolate needs a --count of at least 2'],
    [
      model,
      { interpolate: [first, second], sampler: 'ancestral' },
      'which a sampler that draws more (ancestral) does not',
    ],
    [model, { from: first, prior: 'standard' }, '--prior is for images that begin as noise'],
    [model, { compareSteps: [5] }, '--compare-steps is for --compare'],
    [model, { compare: ['ddim'], steps: 5 }, '--compare names its samplers itself'],
    [model, { from: first, mask: other }, 'a mask must have the size of its picture'],
    [model, { from: join(folder, 'none.png') }, 'none.png'],
  ])('%#', async (of, settings, message) => {
    await expect(planFor(of, settingsFrom(settings)).then((plan) => plan.way())).rejects.toThrow(message);
  });

  test.each<[Given, string]>([
    [{ strength: 0 }, '--strength must be a number above 0 and at most 1, got 0'],
    [{ eta: 2 }, '--eta must be a number from 0 to 1, got 2'],
    [{ sampler: 'magic' }, '--sampler must be one of ancestral, '],
    [{ guidanceInterval: [3, 1] }, '--guidance-interval must be two numbers of at least 0, the lower first, got [3,1]'],
    [{ guidanceInterval: [3] }, '--guidance-interval must be two numbers such as 0.3,3, got [3]'],
    [{ interpolate: ['1'] }, '--interpolate must be two seeds or two pictures, with a comma between, got ["1"]'],
    [{ compareSteps: [0] }, '--compare-steps must be whole numbers, or all, such as 5,10,all, got [0]'],
  ])('%j', (settings, message) => {
    expect(() => settingsFrom(settings)).toThrow(message);
  });
});

test('noise of one image is that of its seed and number', async () => {
  const seen: Float32Array[] = [];
  const begin: DrawOptions['begin'] = ({ noise }) => (seen.push(noise.dataSync<'float32'>()), tf.clone(noise));
  await images(model, { count: 2, seed: 6, steps: 1 }, { begin });
  expect(seen[0].subarray(size)).toEqual(new Random([6, 'sample', 1]).normals(size));
});

describe('words', () => {
  const tokenizer = trainWords(['dark', 'dark', 'light'], { length: 2 });
  const captions = { length: 2, tokenizer: tokenizer.json as CaptionMeaning['tokenizer'], dropout: 0.1 };
  /** Told 'dark' (3), 'light' (4), or nothing (1) by the first token. */
  const network: Network = {
    conditions: ['tokens'],
    apply(x, t, condition) {
      const ids = Array.from(tf.slice(condition!.tokens as tf.Tensor2D, [0, 0], [-1, 1]).dataSync());
      const label = tf.tensor1d(
        ids.map((id) => [2, 0, 1][Math.max(0, id - 2)]),
        'int32',
      );
      return best(['label']).apply(x, t, { label });
    },
  };
  const ofWords: Model = { ...model, denoiser: { ...model.denoiser, network, captions } };

  test('are drawn in turn, as classes are, guided by 3 away from the empty caption', async () => {
    const settings = settingsFrom({ count: 3, clip: false });
    const plan = await planFor(ofWords, settings, ['dark', 'light']);
    expect([plan.captions, plan.record.captions]).toEqual([
      ['dark', 'light', 'dark'],
      ['dark', 'light'],
    ]);
    expect(plan.record.guidance).toEqual({ scale: 3, none: '' });
    const drawn = await draw({ ...plan.options, network, ...plan.way().way });
    expect(drawn).toEqual(await images(ofClasses, { count: 3, clip: false, class: 'dark,light', guidance: 3 }));
  });

  test('are told by the text encoder that the model was trained with, which is freed then', async () => {
    const freed: string[] = [];
    const said = (given: readonly string[], count = given.length) => {
      const data = Float32Array.from({ length: count }, (_, i) => given[i % given.length].length);
      return { text: { data, item: [1, 1] }, present: { data: new Float32Array(count).fill(1), item: [1] } };
    };
    const textEncoder = {
      ...{ length: 1, features: 1, sha256: '' },
      read: () => Promise.reject(new Error('not asked')),
      condition: (...given: Parameters<typeof said>) => Promise.resolve(said(...given)),
      dispose: () => Promise.resolve(void freed.push('encoder')),
    };
    const told: Network = { conditions: ['text', 'present'], apply: (x) => tf.clone(x) };
    const text = { folder: 'bert', sha256: '', length: 1, features: 1, dropout: 0.1 };
    const ofText: Model = { ...model, denoiser: { ...model.denoiser, network: told, text, textEncoder } };
    const { options } = await planFor(ofText, settingsFrom({ count: 3 }), ['dark', 'light']);
    expect(options.condition).toEqual(said(['dark', 'light'], 3));
    expect(options.guidance).toEqual({ scale: 3, none: said(['']) });
    expect(freed).toEqual(['encoder']);
  });

  test('are asked for, and refused by other models', async () => {
    await expect(planFor(ofWords, settingsFrom({}))).rejects.toThrow(
      'this model draws from words: say what is to be seen',
    );
    await expect(planFor(model, settingsFrom({}), ['dark'])).rejects.toThrow(
      "this model draws from no words; it was asked for 'dark'",
    );
    await expect(planFor(ofWords, settingsFrom({ class: 'dark' }), ['dark'])).rejects.toThrow('this one takes words');
  });
});
