import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Unet2d } from '@ddpm/adm';
import type { Checkpoint } from '@ddpm/checkpoint';
import { writeCheckpoint } from '@ddpm/checkpoint';
import { savePipeline } from '@ddpm/diffusers';
import type { Network, Parameterisation } from '@ddpm/diffusion';
import {
  ancestral,
  clean as end,
  ddim,
  edm,
  epsilon,
  flow,
  learnedRange,
  learnedVariance,
  image as clean,
  momentsOf,
  stack,
  trailing,
  velocity,
} from '@ddpm/diffusion';
import type { Execution } from '@ddpm/execution';
import { prepareExecution } from '@ddpm/execution';
import { namedParameters, parameterValues } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import { writeSafetensors } from '@ddpm/safetensors';
import { cosineSchedule, linearSchedule, zeroTerminalSnr } from '@ddpm/schedules';
import type { Batch } from '@ddpm/train';
import { toTorchStateDict, Unet } from '@ddpm/unet';
import { LucidrainsUnet, toLucidrainsStateDict } from '@ddpm/unet/lucidrains';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { DenoiserMeaning, KnownLevels } from './index';
import {
  checkMeaning,
  choosePrior,
  classNumber,
  compileNetwork,
  draw,
  edmLevels,
  flowLevels,
  labels,
  loadDenoiser,
  meaningFromJson,
  momentsFromMeasured,
  momentsToMeasured,
  openModel,
  meaningToJson,
  pipelineCheckpoint,
  scheduleLevels,
} from './index';

let folder: string;
let executions: Execution[];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ddpm-models-'));
  executions = [await prepareExecution('compiled'), await prepareExecution('cpu')];
});
afterAll(() => rm(folder, { recursive: true }));

const image = [4, 4, 1] as const;
const schedule = linearSchedule({ timesteps: 5 });
/** Shifts by its class and the level, so that both show. */
const conditional = (): Network & { table: tf.Variable } => {
  const table = tf.variable(tf.tensor1d([0.1, 0.5, 0.9]));
  return {
    table,
    conditions: ['label'],
    apply: (x, t, condition) =>
      tf.tidy(() =>
        tf.add(
          tf.mul(x, 0.5),
          tf.reshape(tf.add(tf.gather(table, condition!.label as tf.Tensor1D), tf.mul(t, 0.01)), [-1, 1, 1, 1]),
        ),
      ),
  };
};
const label: Batch = { label: { data: Int32Array.of(0), item: [] } };

describe('a checkpoint', () => {
  const meaning = {
    ...{ image, parameterisation: velocity, levels: scheduleLevels(schedule), classNames: ['shirt', 'boot'] },
  };
  const roundTrip = (of: DenoiserMeaning) =>
    meaningFromJson(JSON.parse(JSON.stringify(meaningToJson(of))) as Checkpoint['meaning']);
  const checkpoint: Checkpoint = {
    networks: { denoiser: { name: '', options: { value: 3 } } },
    meaning: meaningToJson(meaning),
    step: 5,
    settings: {},
    weights: new Map([['denoiser.w', { shape: [2], data: Float32Array.of(7, 8) }]]),
    state: new Map(),
  };
  test('says what its denoiser means, exactly', () => {
    const read = roundTrip(meaning);
    expect(read.parameterisation).toBe(velocity);
    expect(read.levels.schedule!.betas).toEqual(schedule.betas);
    expect([read.image, read.classNames]).toEqual([
      [4, 4, 1],
      ['shirt', 'boot'],
    ]);
  });
  test.each<[string, Parameterisation, KnownLevels]>([
    ['a schedule that ends in noise alone', velocity, scheduleLevels(zeroTerminalSnr(schedule))],
    ['a schedule with EDM’s scaling', edm({ sigmaData: 0.3 }), scheduleLevels(schedule)],
    ['EDM’s levels', edm({ sigmaData: 0.123456789 }), edmLevels({ max: 50 })],
    ['a flow’s levels', flow, flowLevels({ min: 0.01 })],
    ['a flow’s levels, by the image', clean, flowLevels()],
    ['a learned range around EDM’s scaling', learnedRange(edm({ sigmaData: 0.3 })), scheduleLevels(schedule)],
    ['a learned logarithm', learnedVariance(epsilon), scheduleLevels(schedule)],
  ])('survives with %s, levels and output alike', (_, parameterisation, levels) => {
    const read = roundTrip({ image, parameterisation, levels });
    expect([read.levels.kind, read.levels.noisiest]).toEqual([levels.kind, levels.noisiest]);
    expect([read.levels.scale.min, read.levels.scale.max]).toEqual([levels.scale.min, levels.scale.max]);
    const ratio = Math.sqrt(levels.scale.min);
    expect(read.levels.scale.at(ratio)).toEqual(levels.scale.at(ratio));
    const x0 = ({ parameterisation: by }: Pick<DenoiserMeaning, 'parameterisation'>) =>
      tf.tidy(() =>
        by
          .predict(stack([levels.scale.at(ratio)]), tf.ones([1, 1, 1, 1]), tf.fill([1, 1, 1, by.variance ? 2 : 1], 0.7))
          .x0.dataSync(),
      );
    expect(read.parameterisation.variance).toBe(parameterisation.variance);
    expect(x0(read)).toEqual(x0({ parameterisation }));
  });
  test.each<[Parameterisation, KnownLevels, string]>([
    [
      epsilon,
      scheduleLevels(zeroTerminalSnr(schedule)),
      "'epsilon' says nothing of the image at a level without signal",
    ],
    [epsilon, flowLevels(), "'epsilon' says nothing of the image at a level without signal"],
    [edm(), flowLevels(), "'edm' says nothing of the image at a level without signal"],
    [
      velocity,
      edmLevels(),
      "'velocity' leaves x as it is, and EDM's levels go up to 80 times the image; 'edm' scales it",
    ],
  ])('whose output does not go with its levels is refused (%#)', (parameterisation, levels, message) => {
    expect(() => checkMeaning({ parameterisation, levels })).toThrow(message);
    expect(() => roundTrip({ image, parameterisation, levels })).toThrow(message);
  });
  test.each([
    [
      { ...checkpoint.meaning, parameterisation: 'edm' },
      "its meaning.sigmaData is not as expected: it goes with the parameterisation 'edm', and only with that",
    ],
    [
      { ...checkpoint.meaning, levels: { kind: 'flow', min: 2, max: 1 } },
      'its meaning.levels is not as expected: min may not be above max',
    ],
    [{ ...checkpoint.meaning, task: 'dreaming' }, 'its meaning.task is not as expected: only denoising is known'],
    [{ ...checkpoint.meaning, image: [4, 0, 1] }, 'its meaning.image.1 is not as expected: Too small'],
    [{ ...checkpoint.meaning, 'a\nb': 1 }, 'its meaning is not as expected: Unrecognized key: "a b"'],
    [
      { ...checkpoint.meaning, parameterisation: 'score' },
      'its meaning.parameterisation is not as expected: Invalid option',
    ],
  ])('with another meaning is refused', (json, message) => expect(() => meaningFromJson(json)).toThrow(message));
  test('becomes its network, with its weights', async () => {
    const name = join(folder, 'network.mjs');
    const tfjs = import.meta.resolve('@tensorflow/tfjs-core');
    await writeFile(
      name,
      `import * as tf from '${tfjs}'; export default () => ({ w: tf.variable(tf.zeros([2])), apply: (x) => x });`,
    );
    const denoiser = await loadDenoiser({ ...checkpoint, networks: { denoiser: { name, options: {} } } });
    expect([...denoiser.parameters.get('denoiser.w')!.dataSync()]).toEqual([7, 8]);
    await expect(loadDenoiser({ ...checkpoint, networks: {} })).rejects.toThrow(
      'it has no denoiser, but only no network',
    );
  });
});

describe('a prior', () => {
  const images = { data: new Random(1).normals(20 * 16), item: [4, 4, 1] };
  const long = linearSchedule({ timesteps: 1000 });
  test('survives in a checkpoint, and is refused if it is not whole', async () => {
    const moments = await momentsOf([{ image: images }], { directions: 3 });
    const measured = momentsToMeasured(moments);
    expect(momentsFromMeasured(measured, image)).toEqual(moments);
    expect(momentsFromMeasured(undefined, image)).toBeUndefined();
    expect(() => momentsFromMeasured(measured, [2, 8, 1])).toThrow(
      'its prior.mean is [1, 4, 4, 1], where [1, 2, 8, 1] is expected',
    );
    expect(() => momentsFromMeasured(new Map([...measured].slice(0, 3)), image)).toThrow(
      'it holds a part of a prior: rest missing',
    );
  });
  test('is matched by default where the noisiest level shows images, and it is known what they are like', async () => {
    const moments = await momentsOf([{ image: images }], { directions: 3 });
    const [short, far] = [scheduleLevels(schedule), scheduleLevels(long)];
    expect(choosePrior({ levels: short, image, moments }).name).toBe('matched');
    expect(choosePrior({ levels: short, image, moments }, 'standard').name).toBe('standard');
    expect(choosePrior({ levels: short, image }).name).toBe('standard');
    expect(choosePrior({ levels: far, image, moments }).name).toBe('standard');
    expect(choosePrior({ levels: far, image, moments }, 'matched').name).toBe('matched');
    expect(() => choosePrior({ levels: short, image }, 'matched')).toThrow(
      'this model does not say what its images are like, which a matched prior needs',
    );
  });
});

describe('compileNetwork', () => {
  test('works with the values that the parameters have when it is called, and leaves nothing behind', async () => {
    for (const execution of executions) {
      const network = conditional();
      const parameters = namedParameters({ denoiser: network });
      const run = await compileNetwork(execution, network, { parameters, image, condition: label });
      const [x, t, given] = [
        tf.ones<tf.Rank.R4>([2, ...image]),
        tf.tensor1d([0, 1]),
        { label: tf.tensor1d([2, 1], 'int32') },
      ];
      const first = async () => {
        const output = await run(x, t, given);
        const values = await output.data();
        output.dispose();
        return [values[0], values[16]];
      };
      const before = tf.memory().numTensors;
      expect((await first()).map((value) => value.toFixed(3))).toEqual(['1.400', '1.010']);
      tf.tidy(() => network.table.assign(tf.tensor1d([0, 1, 2])));
      expect((await first()).map((value) => value.toFixed(3))).toEqual(['2.500', '1.510']);
      expect(tf.memory().numTensors).toBe(before);
      await run.dispose();
    }
  });

  test('fixed, keeps the values that the parameters have now', async () => {
    const network = conditional();
    const run = await compileNetwork(executions[0], network, {
      parameters: namedParameters({ network }),
      image,
      condition: label,
      fixed: true,
    });
    tf.tidy(() => network.table.assign(tf.tensor1d([5, 5, 5])));
    const output = await run(tf.ones([1, ...image]), tf.tensor1d([0]), { label: tf.tensor1d([2], 'int32') });
    expect((await output.data())[0]).toBeCloseTo(1.4, 5);
    await run.dispose();
  });

  test('compiled, traces nothing anew where only weights and the number of images change', async () => {
    const network = conditional();
    let applied = 0;
    const counted: Network = {
      conditions: network.conditions,
      apply: (...inputs) => (applied++, network.apply(...inputs)),
    };
    const run = await compileNetwork(executions[0], counted, {
      parameters: namedParameters({ network }),
      image,
      condition: label,
    });
    const after = applied;
    const first: number[] = [];
    for (const n of [1, 3, 40]) {
      tf.tidy(() => network.table.assign(tf.fill([3], n)));
      const given = { label: tf.zeros<tf.Rank.R1>([n], 'int32') };
      const output = await run(tf.zeros([n, ...image]), tf.zeros([n]), given);
      first.push((await output.data())[0]);
    }
    expect(first).toEqual([1, 3, 40]);
    expect(applied).toBe(after);
    await run.dispose();
  });

  test('refuses a condition that the network does not take, and the lack of one that it does', async () => {
    const [execution] = executions;
    const network = conditional();
    const options = { parameters: namedParameters(network), image };
    await expect(compileNetwork(execution, network, options)).rejects.toThrow(
      'compileNetwork: the network takes the conditions label, and was given none',
    );
    const run = await compileNetwork(execution, network, { ...options, condition: label });
    await expect(run(tf.zeros([1, ...image]), tf.zeros([1]))).rejects.toThrow(
      'compileNetwork: the network takes the conditions label, and was given none',
    );
    await run.dispose();
  });
});

describe('draw', () => {
  test('gives an image by the seed and its number alone, with its class, on every execution', async () => {
    const all: Float32Array[] = [];
    for (const execution of executions) {
      const network = conditional();
      const run = await compileNetwork(execution, network, {
        parameters: namedParameters({ network }),
        image,
        condition: label,
      });
      const options = {
        network: run,
        parameterisation: epsilon,
        sampler: ancestral(trailing(schedule)),
        image,
        seed: 3,
      };
      const before = tf.memory().numTensors;
      const whole = await draw({ ...options, count: 6, condition: labels(6, { classes: 3 }) });
      expect(await draw({ ...options, count: 6, batch: 4, condition: labels(6, { classes: 3 }) })).toEqual(whole);
      expect(await draw({ ...options, count: 6, condition: labels(6, { classes: 3, only: [1] }) })).not.toEqual(whole);
      expect(tf.memory().numTensors).toBe(before);
      all.push(whole);
      await run.dispose();
    }
    all[0].forEach((value, i) => expect(value).toBeCloseTo(all[1][i], 4));
  });

  test('begins with the noise that the levels begin with', async () => {
    // With ε̂ = 0 the image is x_T itself.
    const network = (x: tf.Tensor4D) => Promise.resolve(tf.zerosLike(x));
    const options = { network, parameterisation: epsilon, image, count: 1, seed: 4, clip: false };
    const z = new Random([4, 'sample', 0]).normals(16);
    const edms = ddim([...[20, 10].map((sigma) => edmLevels().scale.at(sigma)), end]);
    (await draw({ ...options, sampler: edms })).forEach((value, i) => expect(value / z[i]).toBeCloseTo(20, 1));
    const few = ddim(trailing(schedule, 1));
    const [{ signal }] = few.levels;
    (await draw({ ...options, sampler: few })).forEach((value, i) => expect(value * signal).toBeCloseTo(z[i], 5));
    // The prior is given the noise, the level and the label of each image.
    const labelled = { ...options, count: 3, sampler: few, condition: labels(3, { classes: 3 }) };
    const drawn = await draw({ ...labelled, prior: (noise, level, of) => noise.map(() => level.signal * of!) });
    expect([0, 16, 32].map((i) => Math.round(drawn[i]))).toEqual([0, 1, 2]);
  });

  test('tells of every step, and clips where it is asked to', async () => {
    const network: Network = { apply: (x) => tf.mul(x, -3) };
    const steps: string[] = [];
    const options = {
      network,
      parameterisation: epsilon,
      sampler: ddim(trailing(schedule, 2)),
      image,
      count: 3,
      seed: 0,
      batch: 2,
    };
    const clipped = await draw({
      ...options,
      onStep: ({ first, index, steps: all, x }) => void steps.push(`${first} ${index}/${all} ${x.shape[0]}`),
    });
    expect(steps).toEqual(['0 0/2 2', '0 1/2 2', '2 0/2 1', '2 1/2 1']);
    const largest = (values: Float32Array) => values.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
    expect(largest(clipped)).toBe(1);
    expect(largest(await draw({ ...options, clip: false }))).toBeGreaterThan(1);
  });

  test('guidance of 1 is the network with its condition to the bit, of 0 without, and beyond 1 goes beyond', async () => {
    const options = {
      ...{ network: conditional(), parameterisation: velocity, sampler: ddim(trailing(schedule, 3)), image },
      ...{ count: 4, seed: 1, clip: false },
    };
    // The third class is none.
    const [one, none] = [labels(4, { classes: 2, only: [1] }), labels(4, { classes: 3, only: [2] })];
    const guidedBy = (scale: number, more: object = {}) =>
      draw({ ...options, condition: one, guidance: { scale, none: 2, ...more } });
    const before = tf.memory().numTensors;
    const [withIt, without, twice] = [await guidedBy(1), await guidedBy(0), await guidedBy(2)];
    expect(withIt).toEqual(await draw({ ...options, condition: one }));
    expect(without).toEqual(await draw({ ...options, condition: none }));
    // The network is linear in what its condition adds.
    twice.forEach((value, i) => expect(value - withIt[i]).toBeCloseTo(withIt[i] - without[i], 4));
    expect(await guidedBy(2, { interval: [0, 1e-9] })).toEqual(withIt);
    expect(tf.memory().numTensors).toBe(before);
    await expect(draw({ ...options, guidance: { scale: 2, none: 2 } })).rejects.toThrow(
      "draw: guidance needs a condition 'label'",
    );
  });

  test('a threshold takes the place of clipping: what lies beyond [−1, 1] is scaled, not cut', async () => {
    const network: Network = { apply: (x) => tf.mul(x, -3) };
    const options = { network, parameterisation: epsilon, image };
    const one = { ...options, sampler: ddim(trailing(schedule, 1)), count: 1, seed: 0 };
    const [free, cut, scaled] = [
      await draw({ ...one, clip: false }),
      await draw(one),
      await draw({ ...one, threshold: 1 }),
    ];
    const largest = Math.max(...free.map(Math.abs));
    expect(largest).toBeGreaterThan(1);
    scaled.forEach((value, i) => expect(value).toBeCloseTo(free[i] / largest, 5));
    expect(cut).not.toEqual(scaled);
  });

  test('noise and beginning may be others: of each image by its number, with the network at hand', async () => {
    const network: Network = { apply: (x) => tf.mul(x, 0.5) };
    const options = { network, parameterisation: epsilon, sampler: ddim(trailing(schedule, 2)), image, seed: 0 };
    const seven = await draw({ ...options, count: 1, seed: 7 });
    const stream = (number: number) => new Random([7 - number, 'sample', 0]);
    const streamed = await draw({ ...options, count: 2, stream });
    expect(streamed.subarray(0, 16)).toEqual(seven);
    expect(streamed.subarray(16)).not.toEqual(seven);
    const before = tf.memory().numTensors;
    const begun = await draw({
      ...{ ...options, count: 3, batch: 2, stream: () => new Random([7, 'sample', 0]) },
      async begin({ first, noise, xT, denoise }) {
        const { x0 } = await denoise(xT, options.sampler.levels[0]);
        expect([first, x0.shape[0]]).toEqual(first === 0 ? [0, 2] : [2, 1]);
        x0.dispose();
        return tf.clone(noise);
      },
    });
    expect(begun.subarray(32)).toEqual(seven);
    expect(tf.memory().numTensors).toBe(before);
  });
});

test('a class is meant by its name or its number', () => {
  const names = ['T-shirt', 'Sneaker'];
  expect([classNumber(names, 'sneaker'), classNumber(names, '0')]).toEqual([1, 0]);
  expect(() => classNumber(names, '2')).toThrow(
    "expected a class, T-shirt, Sneaker, or its number from 0 to 1; got '2'",
  );
  expect([...labels(5, { classes: 2 }).label.data]).toEqual([0, 1, 0, 1, 0]);
  expect([...labels(4, { classes: 9, only: [5, 3] }).label.data]).toEqual([5, 3, 5, 3]);
});

test('what diffusers saved is a checkpoint, whose denoiser computes the same', async () => {
  const config = {
    ...{ in_channels: 1, out_channels: 2, sample_size: [4, 8], layers_per_block: 1, num_class_embeds: 3 },
    ...{ block_out_channels: [4], down_block_types: ['DownBlock2D'], up_block_types: ['UpBlock2D'] },
    ...{ norm_num_groups: 2, add_attention: false },
  };
  const scheduler = {
    ...{ _class_name: 'DDPMScheduler', beta_schedule: 'squaredcos_cap_v2', num_train_timesteps: 10 },
    ...{ prediction_type: 'v_prediction', variance_type: 'learned_range' },
  };
  const unet = new Unet2d(config, { seed: 5 });
  const path = join(folder, 'pipeline');
  await savePipeline(path, { unet, config, scheduler });

  const checkpoint = await pipelineCheckpoint(path);
  const { network, parameterisation, levels, classNames, ...denoiser } = await loadDenoiser({
    ...checkpoint,
    state: new Map(),
  });
  expect(denoiser.image).toEqual([4, 8, 1]);
  expect(classNames).toEqual(['0', '1', '2']);
  expect([parameterisation.name, parameterisation.variance]).toEqual(['velocity', 'range']);
  // diffusers' cosine is clipped at 0.999.
  expect(levels.schedule!.betas[9]).toBeCloseTo(0.999, 6);
  expect(levels.schedule!.betas[0]).toBeCloseTo(
    1 - Math.cos((0.108 / 1.008) * (Math.PI / 2)) ** 2 / Math.cos((0.008 / 1.008) * (Math.PI / 2)) ** 2,
    6,
  );
  const [x, t, label] = [tf.ones<tf.Rank.R4>([1, 4, 8, 1]), tf.tensor1d([3]), tf.tensor1d([2], 'int32')];
  expect(network.apply(x, t, { label }).dataSync()).toEqual(unet.apply(x, t, { label }).dataSync());

  expect(await openModel(path)).toMatchObject({
    ...{ kind: 'pipeline', folder: path, trained: {}, unusable: [], denoiser: { image: [4, 8, 1], classNames } },
    description: "diffusers' UNet2DModel, images of 4×8×1",
  });
});

describe('openModel', () => {
  const options = { dim: 4, dimMults: [1, 1], channels: 3 };
  const meaning: DenoiserMeaning = {
    ...{ image: [8, 8, 3], parameterisation: velocity, levels: scheduleLevels(schedule) },
  };

  test('opens runs, checkpoints and state_dicts by their paths, and says what they are', async () => {
    const unet = new Unet(options);
    const run = join(folder, 'opened');
    const file = join(run, 'checkpoint.safetensors');
    await mkdir(run);
    await writeCheckpoint(file, {
      networks: { denoiser: { name: '@ddpm/unet', options } },
      ...{ meaning: meaningToJson(meaning), step: 3, settings: { dataset: 'mnist' }, state: new Map() },
      weights: await parameterValues({ denoiser: unet }),
    });
    for (const path of [run, file]) {
      expect(await openModel(path)).toMatchObject({
        ...{ kind: 'checkpoint', folder: run, run, step: 3, trained: { dataset: 'mnist' }, unusable: [] },
        description: '@ddpm/unet after 3 steps, images of 8×8×3',
        denoiser: { image: [8, 8, 3], parameterisation: velocity },
      });
    }
    const dict = join(folder, 'torch.safetensors');
    await writeFile(dict, writeSafetensors(await toTorchStateDict(unet)));
    const opened = await openModel(dict, { schedule, imageSize: 8 });
    expect(opened).toMatchObject({
      ...{ kind: 'state_dict', folder, trained: {}, unusable: [] },
      description: 'a PyTorch state_dict, images of 8×8×3',
      denoiser: { image: [8, 8, 3], parameterisation: epsilon, levels: { schedule } },
    });
    expect([opened.run, opened.step]).toEqual([undefined, undefined]);
    const [x, t] = [tf.ones<tf.Rank.R4>([1, 8, 8, 3]), tf.tensor1d([2])];
    const [a, b] = [unet, opened.denoiser.network].map((network) => network.apply(x, t).dataSync());
    expect(b).toEqual(a);
  });

  test('opens the process that denoising-diffusion-pytorch’s trainer saves: its schedule, and what its network predicts', async () => {
    const unet = new LucidrainsUnet({ dim: 4, dimMults: [1, 2], channels: 1, outDim: 2, attnHeads: 1, attnDimHead: 2 });
    const weights = [...(await toLucidrainsStateDict(unet))].map(([name, value]) => [`model.${name}`, value] as const);
    const { betas, alphasCumprod } = cosineSchedule({ timesteps: 30 });
    const path = join(folder, 'model-10.safetensors');
    const save = (lossWeight: (snr: number) => number) => {
      const numbers = (data: Iterable<number>) => ({ shape: [30], data: Float32Array.from(data) });
      const weight = numbers(alphasCumprod.map((alpha) => lossWeight(alpha / (1 - alpha))));
      const saved = [['betas', numbers(betas)] as const, ['loss_weight', weight] as const, ...weights];
      return writeFile(path, writeSafetensors(new Map(saved)));
    };
    const clipped = (snr: number) => Math.min(snr, 5);
    for (const [name, lossWeight] of [
      ['epsilon', () => 1],
      ['velocity', (snr: number) => snr / (snr + 1)],
      ['velocity', (snr: number) => clipped(snr) / (snr + 1)],
      ['image', clipped],
    ] as const) {
      await save(lossWeight);
      const { kind, denoiser, description } = await openModel(path, { imageSize: 8 });
      expect(description).toBe(
        `a diffusion process of PyTorch without "model." before its names, images of 8×8×1, which predicts ${name}, schedule of 30 timesteps`,
      );
      // Twice the channels: the variance too.
      expect([kind, denoiser.parameterisation.name, denoiser.parameterisation.variance]).toEqual([
        'process',
        name,
        'range',
      ]);
      expect([...denoiser.levels.schedule!.betas]).toEqual([...betas].map((beta) => expect.closeTo(beta, 6)));
      const [x, t] = [tf.ones<tf.Rank.R4>([1, 8, 8, 1]), tf.tensor1d([2])];
      expect(denoiser.network.apply(x, t).dataSync()).toEqual(unet.apply(x, t).dataSync());
    }
    await expect(openModel(path, { imageSize: 7 })).rejects.toThrow(
      'model-10.safetensors cannot be used: its images must be a multiple of 2 high and wide, and 7 is none; say --image-size',
    );
    await save(() => 7);
    await expect(openModel(path)).rejects.toThrow(/which is that of neither pred_noise, pred_x0 nor pred_v$/);
  });

  test('names what cannot be opened', async () => {
    await expect(openModel(join(folder, 'absent'))).rejects.toThrow(/absent cannot be read: there is no such file/);
    const other = join(folder, 'other.safetensors');
    await writeFile(other, writeSafetensors(new Map([['w', { shape: [1], data: new Float32Array(1) }]])));
    await expect(openModel(other)).rejects.toThrow(
      "other.safetensors cannot be used: this is no state_dict of the tutorial's U-Net",
    );
  });
});
