import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Unet2d } from '@ddpm/adm';
import { schedules } from '@ddpm/app-common';
import { readCheckpoint } from '@ddpm/checkpoint';
import { arrayDataset } from '@ddpm/datasets';
import { savePipeline } from '@ddpm/diffusers';
import type { Execution } from '@ddpm/execution';
import { prepareExecution } from '@ddpm/execution';
import { encodePng } from '@ddpm/images/png';
import { meaningFromJson, momentsFromMeasured, pipelineCheckpoint } from '@ddpm/models';
import { Random } from '@ddpm/random';
import { eagerGradients, learner, train } from '@ddpm/train';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execute } from '../execute';
import type { Settings } from '../table';
import { readInvocation } from '../options';
import { denoise, quarters } from './denoise';
import { levelSources, weightings } from './objective';
import { createReporter } from '../reporter';

const reporter = createReporter('quiet');

test('quarters are the mean losses by the quarters of the levels', () => {
  expect(quarters(Float32Array.of(1, 2, 3, 4), [0, 0.24, 0.25, 0.99])).toEqual([1.5, 3, null, 4]);
  // EDM's σ go beyond what sampling begins and ends with.
  expect(quarters(Float32Array.of(1, 2), [-0.1, 1])).toEqual([1, null, null, 2]);
});

let folder: string;
let execution: Execution;
let network: string;
beforeAll(async () => {
  execution = await prepareExecution('cpu');
  folder = mkdtempSync(join(tmpdir(), 'ddpm-denoise-'));
  network = join(folder, 'network.mjs');
  // Two weights, and one for each class and none of them.
  writeFileSync(
    network,
    `import * as tf from '${import.meta.resolve('@tensorflow/tfjs')}';
    export default ({ classes }) => ({
      conditions: classes === undefined ? [] : ['label'],
      gain: tf.variable(tf.scalar(0.3)),
      shift: tf.variable(tf.scalar(0.01)),
      ...(classes !== undefined && { shades: tf.variable(tf.zeros([classes + 1])) }),
      apply(x, t, condition) {
        const shades = condition ? tf.gather(this.shades, condition.label) : 0;
        const shift = tf.reshape(tf.add(tf.mul(t, this.shift), shades), [-1, 1, 1, 1]);
        return tf.add(tf.mul(x, this.gain), shift);
      },
    });`,
  );
  for (const name of ['dark', 'light']) {
    mkdirSync(join(folder, 'images', name), { recursive: true });
    for (let i = 0; i < 4; i++) {
      const data = Uint8Array.from({ length: 4 }, (_, k) => (name === 'dark' ? 30 : 200) + 9 * i + k);
      writeFileSync(join(folder, 'images', name, `${i}.png`), encodePng({ width: 2, height: 2, channels: 1, data }));
    }
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

const dataset = arrayDataset({
  pixels: Uint8Array.from({ length: 32 }, (_, i) => (37 * i) % 256),
  shape: [2, 2, 1],
  labels: Array.from({ length: 8 }, (_, i) => i % 2),
  classNames: ['dark', 'light'],
});
const settingsOf = (options: Record<string, unknown>) => readInvocation({ network, ...options }).settings;
const make = (settings: Settings) => denoise.make({ settings, dataset, execution, reporter });

/** The reason why a parameterisation does not go with levels, as somebody who knows the formulas would say it. */
function reason(parameterisation: string, levelSource: string, schedule = 'linear'): string | undefined {
  if (levelSource === 'log-normal' && parameterisation !== 'edm')
    return `'${parameterisation}' leaves x as it is, and EDM's levels go up to 80 times the image; 'edm' scales it`;
  const endsInNoise = levelSource.endsWith('flow') || levelSource === 'logit-normal' || schedule === 'velocity-cosine';
  if (endsInNoise && ['epsilon', 'edm'].includes(parameterisation))
    return `'${parameterisation}' says nothing of the image at a level without signal`;
  return undefined;
}
const parameterisations = ['epsilon', 'image', 'velocity', 'flow', 'edm'];
const combinations = parameterisations.flatMap((parameterisation) => [
  ...Object.keys(levelSources).flatMap((levelSource) =>
    Object.keys(weightings).map((weighting) => ({ parameterisation, levelSource, weighting })),
  ),
  // Its last level has no signal.
  ...Object.keys(weightings).map((weighting) => ({
    ...{ parameterisation, levelSource: 'uniform', weighting, schedule: 'velocity-cosine' },
  })),
]);

test.each(combinations)('trains two steps and draws, or says why not: %j', async (combination) => {
  const { parameterisation, levelSource, weighting, schedule } = combination as Record<string, string>;
  const settings = settingsOf({ ...combination, ...(levelSources[levelSource].scheduled && { timesteps: 6 }) });
  const refused = reason(parameterisation, levelSource, schedule);
  if (refused !== undefined) return expect(make(settings)).rejects.toThrow(refused);
  const training = await make(settings);
  const { task } = training;
  const learning = await learner({ task, gradients: eagerGradients(task) });
  const before = (await learning.parameters()).get('denoiser.gain')![0];
  async function* examples() {
    for (;;) yield await Promise.resolve(await readAll());
  }
  const losses: number[] = [];
  for await (const { loss, skipped, inputs, losses: all } of train({
    ...{ learner: learning, examples, steps: 2, rate: () => 0.01, seed: 3 },
  })) {
    expect(skipped).toBe(false);
    losses.push(loss);
    const means = training.quarters!(inputs, all);
    expect(means.some((mean) => mean !== null)).toBe(true);
  }
  expect(losses.every((loss) => loss > 0 && loss < Infinity)).toBe(true);
  expect((await learning.parameters()).get('denoiser.gain')![0]).not.toBe(before);
  if (weighting === 'none') {
    const { data } = await training.preview!();
    expect(new Set(data).size).toBeGreaterThan(1);
  }
  // What the checkpoint says is what was trained.
  const meaning = meaningFromJson(training.meaning);
  expect(meaning.parameterisation.name).toBe(parameterisation);
  expect(meaning.levels.kind).toBe(
    { 'log-normal': 'edm', 'uniform-flow': 'flow', 'logit-normal': 'flow' }[levelSource] ?? 'schedule',
  );
  await training.dispose();
});
const readAll = async () => {
  const { readExamples } = await import('@ddpm/datasets');
  return readExamples(
    dataset,
    Int32Array.from({ length: 8 }, (_, i) => i),
  );
};

test.each([
  { parameterisation: 'edm', levelSource: 'log-normal', weighting: 'edm', loss: 'l2' },
  { parameterisation: 'flow', levelSource: 'logit-normal', loss: 'pseudo-huber' },
  { parameterisation: 'velocity', levelSource: 'stratified', weighting: 'soft-min-snr', classes: true },
])('has the same gradients compiled: %j', async (options) => {
  const { task } = await make(settingsOf(options));
  const inputs = task.draw(await readAll(), new Random(7));
  const parameters = new Map([...task.parameters].map(([name, of]) => [name, of.dataSync<'float32'>()]));
  const compiled = await (await prepareExecution('compiled')).gradients(task, inputs);
  const [ours, eager] = [await compiled(parameters, inputs), await eagerGradients(task)(parameters, inputs)];
  expect(ours.loss).toBeCloseTo(eager.loss, 5);
  for (const [name, gradient] of eager.gradients)
    gradient.forEach((value, i) => expect(ours.gradients.get(name)![i]).toBeCloseTo(value, 4));
  await compiled.dispose();
});

test.each(Object.keys(schedules))('the schedule %s trains', async (schedule) => {
  const training = await make(settingsOf({ schedule, timesteps: 40, parameterisation: 'velocity' }));
  expect(meaningFromJson(training.meaning).levels.schedule!.timesteps).toBe(40);
  await training.dispose();
});

describe('σ_data', () => {
  test('is measured of the images where nobody says it, and stands in the checkpoint and the settings', async () => {
    const training = await make(settingsOf({ parameterisation: 'edm', levelSource: 'log-normal' }));
    const values = Array.from({ length: 32 }, (_, i) => ((37 * i) % 256) / 127.5 - 1);
    const mean = values.reduce((sum, value) => sum + value) / 32;
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 32);
    expect(training.meaning.sigmaData).toBeCloseTo(deviation, 6);
    expect(training.settings).toEqual({ sigmaData: training.meaning.sigmaData });
    expect(training.description).toContain(`the standard deviation ${deviation.toPrecision(4)}, as measured`);
  });
  test('is the number that is given', async () => {
    const training = await make(settingsOf({ parameterisation: 'edm', sigmaData: 0.25 }));
    expect([training.meaning.sigmaData, training.settings]).toEqual([0.25, undefined]);
  });
});

describe('a prior', () => {
  test('is measured where images show at the noisiest level, and stands in the checkpoint', async () => {
    const training = await make(settingsOf({ schedule: 'linear', timesteps: 40 }));
    expect(training.notes).toEqual([
      expect.stringMatching(/^Prior: ᾱ_T = 0\.\d+, so images show at the noisiest level; /),
    ]);
    const { mean, variances, rest } = momentsFromMeasured(training.measured, dataset.shape)!;
    const { image } = await readAll();
    const size = image.data.length / 8;
    mean.data.forEach((value, d) => {
      const own = Array.from({ length: 8 }, (_, i) => image.data[i * size + d]);
      expect(value).toBeCloseTo(own.reduce((sum, pixel) => sum + pixel) / 8, 5);
    });
    expect([mean.shape[0], variances.shape[1], rest.data[0]]).toEqual([1, size, 0]);
    const far = await make(settingsOf({ schedule: 'cosine', timesteps: 40, parameterisation: 'velocity' }));
    expect([far.measured, far.notes]).toEqual([undefined, undefined]);
  });
  test('is of each class, and of all, where there are classes', async () => {
    const training = await make(settingsOf({ schedule: 'linear', timesteps: 40, classes: true }));
    expect(training.measured!.get('prior.mean')!.shape[0]).toBe(3);
  });
});

describe('classes', () => {
  test.each([
    ['where there are classes, are told', dataset, true],
    ['where there are none, are not', arrayDataset({ pixels: new Uint8Array(32), shape: [2, 2, 1] }), false],
  ])("of 'auto', %s, as the settings say afterwards", async (_, images, classes) => {
    const settings = { ...settingsOf({ learningRate: 1e-3 }), classes: 'auto', labelDropout: 0.1 } as Settings;
    const training = await denoise.make({ settings, dataset: images, execution, reporter });
    expect(training.settings).toEqual({ classes });
    const { classNames, labelDropout } = training.meaning;
    expect([classNames, labelDropout]).toEqual(classes ? [['dark', 'light'], 0.1] : [undefined, undefined]);
    await training.dispose();
  });

  test('are told by the option classes, left out now and then, and not in validation', async () => {
    const training = await make(settingsOf({ classes: true, labelDropout: 0.5 }));
    expect(training.networks.denoiser.options).toMatchObject({ classes: 2 });
    expect(training.meaning).toMatchObject({ classNames: ['dark', 'light'], labelDropout: 0.5 });
    const labels = (task = training.task) =>
      readAll().then((all) => [...task.draw(all, new Random(['labels'])).label.data]);
    expect(new Set(await labels())).toEqual(new Set([0, 1, 2]));
    expect(await labels(training.validation)).toEqual([0, 1, 0, 1, 0, 1, 0, 1]);
    // The noise and the levels are those of the training, but for the labels.
    const [inputs, held] = [training.task, training.validation!].map(async (task) =>
      task.draw(await readAll(), new Random(1)),
    );
    expect((await held).noise).toEqual((await inputs).noise);
    await training.dispose();
  });
  test('that the dataset or the network does not know are refused', async () => {
    const flat = arrayDataset({ pixels: new Uint8Array(32), shape: [2, 2, 1] });
    await expect(
      denoise.make({ settings: settingsOf({ classes: true }), dataset: flat, execution, reporter }),
    ).rejects.toThrow('--classes: the dataset has no classes; folders have them as subfolders');
    const deaf = join(folder, 'deaf.mjs');
    writeFileSync(
      deaf,
      readFileSync(network, 'utf8').replace('({ classes })', '()').replaceAll('classes', 'undefined'),
    );
    await expect(make(settingsOf({ network: deaf, classes: true }))).rejects.toThrow(
      `--classes: network ${deaf} takes no condition 'label', although it was given the option classes`,
    );
  });
});

test('importance sampling goes on to the same bits', async () => {
  const options = {
    ...{ network, dataset: 'folder', dataDir: join(folder, 'images'), backend: 'cpu', quiet: true, sampleEvery: 0 },
    ...{ levelSource: 'importance', timesteps: 2, batchSize: 8, validation: 2, ema: 0.9 },
  };
  const run = (name: string) => join(folder, name);
  await execute({ ...options, steps: 8, out: run('whole') });
  await execute({ ...options, steps: 5, out: run('part') });
  await execute({ resume: run('part'), steps: 8, quiet: true });
  const [whole, part] = await Promise.all(
    ['whole', 'part'].map((name) => readCheckpoint(join(run(name), 'checkpoint.safetensors'))),
  );
  expect([part.weights, part.state]).toEqual([whole.weights, whole.state]);
  // By then every level has its history, so that it is drawn by it.
  expect([...whole.state.get('task/counts')!]).toEqual([10, 10]);
  const read = (name: string) =>
    readFileSync(join(run(name), 'metrics.jsonl'), 'utf8').match(/"(validationL|l)oss":[^,]+/g);
  expect(read('part')).toEqual(read('whole'));
});

describe('--from', () => {
  const common = { dataset: 'folder', backend: 'cpu', quiet: true, sampleEvery: 0, batchSize: 4 };
  const read = (run: string) => readCheckpoint(join(folder, run, 'checkpoint.safetensors'));
  const home = process.cwd();
  const within = async (place: string, options: Parameters<typeof execute>[0]) => {
    process.chdir(join(folder, place));
    try {
      await execute({ ...common, ...options });
    } finally {
      process.chdir(home);
    }
  };
  const model = { parameterisation: 'velocity', timesteps: 7, schedule: 'cosine', classes: true };
  beforeAll(() =>
    within('.', {
      ...model,
      network: './network.mjs',
      dataDir: 'images',
      steps: 3,
      out: 'model',
      networkOptions: { a: 1 },
    }),
  );

  test('begins with the weights, the network and the meaning of a run, and with nothing else of it', async () => {
    const begin = { from: '../model', dataDir: '.', out: '../tuned', steps: 1 };
    // Steps so short that the weights stay as they are.
    await within('images', { ...begin, learningRate: 1e-30 });
    const [before, after] = await Promise.all([read('model'), read('tuned')]);
    expect(after.weights).toEqual(before.weights);
    expect(after.meaning).toEqual(before.meaning);
    expect([after.step, after.settings.from, after.settings.batchSize]).toEqual([1, '../model', 4]);
    expect(after.settings).toMatchObject({ ...model, networkOptions: { a: 1 }, loss: 'huber' });
    expect([...after.state.get('ema/updates')!]).toEqual([1]);
    expect([...before.state.get('ema/updates')!]).toEqual([3]);
    // The network's file is found from the new run, wherever that is gone on with, and without the model.
    process.chdir(join(folder, 'images', 'dark'));
    try {
      await execute({ resume: '../../tuned', steps: 2, dataDir: '..', quiet: true });
    } finally {
      process.chdir(home);
    }
    expect((await read('tuned')).step).toBe(2);
  });

  test.each<[string, Record<string, unknown>, string]>([
    ['another meaning', { parameterisation: 'image' }, "its parameterisation is 'velocity', and this run's 'image'"],
    ['other levels', { timesteps: 8 }, 'its levels is {"kind":"schedule","betas":['],
    ['another network', { classes: false }, 'denoiser.shades is unexpected'],
  ])('a model of %s is refused', async (_, change, message) => {
    const begin = within('.', { from: 'model', dataDir: 'images', steps: 1, out: 'refused', ...change });
    await expect(begin).rejects.toThrow(`--from model does not fit: ${message}`);
    expect(existsSync(join(folder, 'refused'))).toBe(false);
  });

  test('begins with what diffusers saved, and goes on without it', async () => {
    const config = {
      ...{ in_channels: 1, out_channels: 1, sample_size: 2, layers_per_block: 1, norm_num_groups: 2 },
      ...{ block_out_channels: [4], down_block_types: ['DownBlock2D'], up_block_types: ['UpBlock2D'] },
      add_attention: false,
    };
    const scheduler = { _class_name: 'DDPMScheduler', beta_schedule: 'squaredcos_cap_v2', num_train_timesteps: 6 };
    const path = join(folder, 'pipeline');
    await savePipeline(path, { unet: new Unet2d(config, { seed: 1 }), config, scheduler });
    const { weights, meaning } = await pipelineCheckpoint(path);
    const begin = { from: 'pipeline', dataDir: 'images', out: 'fine' };
    await within('.', { ...begin, steps: 1, learningRate: 1e-300 });
    const after = await read('fine');
    expect(after.weights).toEqual(weights);
    expect(after.meaning).toEqual(meaning);
    expect(after.settings).toMatchObject({ schedule: 'model', timesteps: 6, network: '@ddpm/diffusers' });
    rmSync(path, { recursive: true });
    process.chdir(folder);
    try {
      await execute({ resume: 'fine', steps: 2, quiet: true });
    } finally {
      process.chdir(home);
    }
    expect((await read('fine')).step).toBe(2);
    await expect(within('.', { schedule: 'model', dataDir: 'images' })).rejects.toThrow(
      '--schedule model is the schedule of the model that --from names',
    );
  });

  test('a path without a model is named', async () => {
    await expect(within('.', { from: 'images', dataDir: 'images' })).rejects.toThrow('images holds no run');
    await expect(within('.', { from: 'network.mjs', dataDir: 'images' })).rejects.toThrow('network.mjs');
  });
});

describe('what does not go together is a usage error', () => {
  test.each<[Record<string, unknown>, string]>([
    [
      { levelSource: 'log-normal', schedule: 'cosine', timesteps: 9 },
      "--schedule, --timesteps are of a schedule's levels, and --level-source log-normal draws EDM's σ",
    ],
    [{ sigmaData: 0.5 }, '--sigma-data is for --parameterisation edm and --weighting edm'],
    [{ gamma: 5 }, '--gamma is for --weighting min-snr, soft-min-snr, p2, not none'],
    [{ preset: 'quick', weighting: 'edm', gamma: 5 }, '--gamma is for --weighting min-snr, soft-min-snr, p2, not edm'],
    [{ labelDropout: 0.1 }, '--label-dropout leaves out the classes that --classes tells'],
    [{ dim: 8, blocks: 'resnet' }, '--dim, --blocks shape the U-Net alone; give another network its options by'],
  ])('%j', (options, message) => expect(() => settingsOf(options)).toThrow(message));

  test('and what nobody asked for is left out, or filled in', () => {
    const { settings } = readInvocation({
      ...{ preset: 'quick', levelSource: 'uniform-flow', parameterisation: 'flow', weighting: 'min-snr' },
    });
    expect(settings).not.toHaveProperty('schedule');
    expect(settings).toMatchObject({ weighting: 'min-snr', gamma: 5 });
    expect(settingsOf({ preset: 'quick', weighting: 'p2' })).toMatchObject({ gamma: 1 });
    expect(settingsOf({ preset: 'quick', weighting: 'none' })).not.toHaveProperty('gamma');
    expect(settingsOf({ parameterisation: 'edm' })).toMatchObject({ sigmaData: 'measured' });
    expect(settingsOf({ classes: true })).toMatchObject({ labelDropout: 0.1 });
    expect(settingsOf({})).not.toHaveProperty('dim');
  });
});
