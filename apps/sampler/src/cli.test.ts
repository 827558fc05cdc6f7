import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Unet2d } from '@ddpm/adm';
import type { JsonObject } from '@ddpm/checkpoint';
import { readCheckpoint, writeCheckpoint } from '@ddpm/checkpoint';
import { savePipeline } from '@ddpm/diffusers';
import createGlide from '@ddpm/glide';
import { decodePng, encodePng } from '@ddpm/images/png';
import type { Network } from '@ddpm/diffusion';
import { epsilon, superResolution } from '@ddpm/diffusion';
import { loadParameters, parameterValues } from '@ddpm/layers';
import {
  diffusionPriorMeaningToJson,
  meaningToJson,
  noisedClassifierMeaningToJson,
  scheduleLevels,
} from '@ddpm/models';
import { Random } from '@ddpm/random';
import { readSafetensors, writeSafetensors } from '@ddpm/safetensors';
import { cosineSchedule } from '@ddpm/schedules';
import { createClip, DiffusionPrior, trainWords } from '@ddpm/text';
import { toTorchStateDict, Unet } from '@ddpm/unet';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

// The built command, run as people run it.
const cli = resolve('dist/cli.js');
const options = { dim: 4, dimMults: [1, 1], channels: 3 };
let folder: string;

/** A file as torch.save wrote it before PyTorch 1.6, of a dict with these tensors under a key. */
function torchFile(
  key: string,
  tensors: ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }>,
): Uint8Array {
  const u32 = (value: number) => Buffer.from(Uint32Array.of(value).buffer).toString('latin1');
  const int = (value: number) => `J${u32(value)}`;
  const text = (value: string) => `X${u32(value.length)}${value}`;
  const tuple = (items: readonly string[]) => `(${items.join('')}t`;
  const named = [...tensors].map(([name, { shape, data }], i) => {
    const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
    const storage = `${tuple([text('storage'), 'ctorch\nFloatStorage\n', text(`${i}`), text('cpu'), int(data.length), 'N'])}Q`;
    const parts = [storage, int(0), tuple(shape.map(int)), tuple(strides.map(int))];
    return `${text(name)}ctorch._utils\n_rebuild_tensor\n${tuple(parts)}R`;
  });
  const pickles = [
    '\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19',
    `M${u32(1001).slice(0, 2)}`,
    '}',
    `}${text(key)}}(${named.join('')}us`,
    `](${[...tensors.keys()].map((_, i) => text(`${i}`)).join('')}e`,
  ].map((program) => Buffer.from(`\x80\x02${program}.`, 'latin1'));
  const storages = [...tensors.values()].flatMap(({ data }) => [
    Buffer.from(BigUint64Array.of(BigInt(data.length)).buffer),
    Buffer.from(data.buffer, data.byteOffset, data.byteLength),
  ]);
  return Buffer.concat([...pickles, ...storages]);
}

/** Writes a run folder. */
async function write(
  path: string,
  { name, ...given }: { name: string; options: object },
  denoiser: object,
  classNames?: string[],
) {
  mkdirSync(join(folder, path));
  const weights = await parameterValues({ denoiser });
  return writeCheckpoint(join(folder, path, 'checkpoint.safetensors'), {
    networks: { denoiser: { name, options: { ...options, ...given.options } } },
    meaning: meaningToJson({
      image: [4, 6, 3],
      parameterisation: epsilon,
      levels: scheduleLevels(cosineSchedule({ timesteps: 5 })),
      classNames,
    }),
    step: 3,
    settings: {},
    weights,
    state: new Map(),
  });
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ddpm-sampler-'));
  const unet = new Unet(options);
  await write('run', { name: '@ddpm/unet', options: {} }, unet);
  await write('foreign', { name: 'no-such-network', options: {} }, unet);
  await write('misfit', { name: '@ddpm/unet', options: {} }, { ...unet, initConv: undefined });
  writeFileSync(
    join(folder, 'other.safetensors'),
    writeSafetensors(new Map([['w', { shape: [1], data: new Float32Array(1) }]])),
  );
  const stateDict = await toTorchStateDict(new Unet(options));
  writeFileSync(join(folder, 'torch.safetensors'), writeSafetensors(stateDict, { format: 'pt' }));
  const wrapped = new Map([...stateDict].map(([name, tensor]) => [`module.${name}`, tensor]));
  writeFileSync(join(folder, 'wrapped.safetensors'), writeSafetensors(wrapped, { format: 'pt' }));
  writeFileSync(join(folder, 'training.pt'), torchFile('model', wrapped));
  writeFileSync(
    join(folder, 'torch.pt'),
    Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(26), Buffer.from('archive/data.pkl')]),
  );
  writeFileSync(
    join(folder, 'truncated.safetensors'),
    readFileSync(join(folder, 'run', 'checkpoint.safetensors')).subarray(0, 2000),
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

test('draws by a pretrained model that is installed, into the current folder, and takes words as captions', () => {
  const home = join(folder, 'node_modules', '@ddpm', 'pretrained-tiny');
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, 'package.json'), JSON.stringify({ type: 'module', exports: './index.js' }));
  writeFileSync(join(home, 'index.js'), "export const checkpoint = new URL('model.safetensors', import.meta.url);");
  writeFileSync(join(home, 'model.safetensors'), readFileSync(join(folder, 'run', 'checkpoint.safetensors')));
  const named = run('--pretrained', 'tiny', '--count', '1', '--steps', '2', '--sampler', 'ddim', '--format', 'png');
  expect(named).toMatchObject({ status: 0, stderr: '' });
  expect(readdirSync(join(folder, 'samples-1')).sort()).toEqual(['0.png', 'samples.json']);
  expect(run('--pretrained', 'tiny', 'a red hat')).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('red hat') as unknown,
  });
});

function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, ...args, '--backend', 'cpu'], {
    cwd: folder,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}
const file = (...path: string[]) => new Uint8Array(readFileSync(join(folder, ...path)));

describe('ddpm-sample', () => {
  test('writes the images, their grid and an animation, from a run folder', () => {
    const { status, stdout, stderr } = run('run', '--count', '3', '--seed', '5', '--sampler', 'ancestral');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('Model: @ddpm/unet after 3 steps, images of 4×6×3');
    expect(stdout).toContain('Sampling 5/5');
    expect(readdirSync(join(folder, 'run', 'samples-1')).sort()).toEqual([
      '0.png',
      '1.png',
      '2.png',
      'chain.gif',
      'grid.png',
      'samples.json',
    ]);
    expect(JSON.parse(Buffer.from(file('run', 'samples-1', 'samples.json')).toString())).toEqual({
      ...{ model: '@ddpm/unet after 3 steps, images of 4×6×3', seed: 5, count: 3, prior: 'standard', clip: true },
      sampler: { name: 'ancestral', steps: 5, spacing: 'trailing' },
    });
    expect(decodePng(file('run', 'samples-1', '0.png'))).toMatchObject({ width: 6, height: 4, channels: 3 });
    const gif = Buffer.from(file('run', 'samples-1', 'chain.gif'));
    expect(gif.subarray(0, 6).toString('latin1')).toBe('GIF89a');
    // Five frames of 50 ms but for the last, which stays for a second: delays in hundredths, in graphic control
    // extensions.
    const controls = gif.toString('latin1').split('\x21\xf9\x04').slice(1);
    const delays = controls.map((control) => Buffer.from(control, 'latin1').readUInt16LE(1));
    expect(delays).toEqual([5, 5, 5, 5, 100]);
  });

  /** onnxruntime-web's result of the ONNX model for two images. */
  const runOnWeb = (model: string) => {
    const x = { shape: [2, 4, 6, 3], data: new Random(1).normals(144) };
    const t = { shape: [2], data: Float32Array.of(0, 4) };
    writeFileSync(join(folder, 'case.safetensors'), writeSafetensors(new Map(Object.entries({ x, t }))));
    const runner = resolve('../../benchmarks/run-onnx-web.mjs');
    execFileSync(process.execPath, [runner, model, 'case.safetensors', 'result.safetensors'], { cwd: folder });
    const result = readSafetensors(file('result.safetensors')).tensors.get('epsilon')!;
    expect(result.shape).toEqual([2, 4, 6, 3]);
    return { result: result.data, tensors: [tf.tensor4d(x.data, [2, 4, 6, 3]), tf.tensor1d(t.data)] as const };
  };

  test('writes the network as ONNX, which onnxruntime-web runs', async () => {
    const { status, stdout, stderr } = run('run', '--export', 'model.onnx');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('Exported: model.onnx');
    const { result, tensors } = runOnWeb('model.onnx');
    const unet = new Unet(options);
    const { weights } = await readCheckpoint(join(folder, 'run', 'checkpoint.safetensors'));
    loadParameters({ denoiser: unet }, weights);
    const expected = unet.apply(...tensors).dataSync<'float32'>();
    expected.forEach((value, i) => expect(Math.abs(value - Number(result[i]))).toBeLessThan(1e-5));
    expect(Buffer.from(file('model.onnx')).toString('latin1')).toMatch(
      /parameterisation.*epsilon.*timesteps.*5.*betas.*\[0\./s,
    );
  });

  test("writes the README's own network for any number of images, and says what ties one to a single image", async () => {
    const [, source] = /```js\n(\/\/ my-network\.mjs\n.*?)```/s.exec(readFileSync('../../README.md', 'utf8'))!;
    // The network imports TensorFlow.js, which is installed here.
    const here = mkdtempSync('.network-');
    try {
      const saved = async (name: string, code: string) => {
        const path = resolve(here, `${name}.mjs`);
        writeFileSync(path, code);
        const { default: make } = (await import(pathToFileURL(path).href)) as { default: (given: object) => Network };
        const network = make(options);
        await write(name, { name: path, options: {} }, network);
        const { status, stdout, stderr } = run(name, '--export', `${name}.onnx`);
        expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
        return { network, stdout };
      };
      const { network, stdout } = await saved('mine', source);
      expect(stdout).not.toContain('Warning');
      const { result, tensors } = runOnWeb('mine.onnx');
      const expected = network.apply(...tensors).dataSync<'float32'>();
      expected.forEach((value, i) => expect(Math.abs(value - Number(result[i]))).toBeLessThan(1e-5));

      const tied = await saved(
        'tied',
        source
          .replace('return tf.conv2d(', 'return tf.conv2d(tf.stack(tf.unstack(')
          .replace(/, leave, 1/, ')), leave, 1'),
      );
      expect(tied.stdout).toMatch(
        /^Warning: the model cannot take batches of any size: [^\n]* from Split on; it takes one image at a time$/m,
      );
    } finally {
      rmSync(here, { recursive: true });
    }
  });

  test('writes a PyTorch state_dict that it reads again to the same images', () => {
    expect(run('run', '--export', 'back.safetensors').status).toBe(0);
    const { tensors } = readSafetensors(file('back.safetensors'));
    expect(tensors.get('init_conv.weight')!.shape).toEqual([2, 3, 7, 7]);
    const given = ['--image-size', '4', '--timesteps', '5'];
    expect(run('back.safetensors', '--count', '1', ...given).status).toBe(0);
  });

  test.each([
    [
      ['run', '--export', 'model.pt'],
      2,
      '--export must name a file ending in .onnx or .safetensors, or a new folder, got model.pt',
    ],
    [['run', '--export', join('nowhere', 'model.onnx')], 1, 'nowhere'],
  ])('refuses to export %j', (args, code, message) => {
    const { status, stderr } = run(...args);
    expect(status).toBe(code);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toContain(message);
  });

  test('gives an image that depends on its seed and number alone, from a checkpoint file', () => {
    const checkpoint = join('run', 'checkpoint.safetensors');
    run(checkpoint, '--count', '2', '--seed', '5', '--sampler', 'ancestral', '--out', 'two');
    run(checkpoint, '--count', '2', '--seed', '6', '--sampler', 'ancestral', '--out', 'other');
    expect(file('two', '1.png')).toEqual(file('run', 'samples-1', '1.png'));
    expect(file('other', '1.png')).not.toEqual(file('two', '1.png'));
    expect(file('two', '0.png')).not.toEqual(file('two', '1.png'));
  });
});

describe('ddpm-sample options', () => {
  test('--batch-size does not change the images', () => {
    run('run', '--count', '3', '--seed', '5', '--sampler', 'ancestral', '--batch-size', '2', '--out', 'by-two');
    for (const i of [0, 1, 2]) expect(file('by-two', `${i}.png`)).toEqual(file('run', 'samples-1', `${i}.png`));
  });
  test('nor does it on the compiled backend', () => {
    const draw = (batch: string, out: string) => {
      const args = [
        cli,
        'run',
        '--count',
        '5',
        '--batch-size',
        batch,
        '--format',
        'npz',
        '--backend',
        'compiled',
        '--out',
        out,
      ];
      expect(spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' }).status).toBe(0);
      return file(out, 'images.npz');
    };
    expect(draw('2', 'compiled-2')).toEqual(draw('5', 'compiled-5'));
  });
  test('--steps, --format and --trajectory', () => {
    const { status, stdout } = run(
      'run',
      '--count',
      '2',
      '--steps',
      '3',
      '--format',
      'npz,apng',
      '--trajectory',
      '--out',
      'few',
    );
    expect({ status }).toEqual({ status: 0 });
    expect(stdout).toContain('Sampling 3/3');
    expect(readdirSync(join(folder, 'few')).sort()).toEqual([
      ...['chain.apng', 'images.npz', 'samples.json', 'trajectory.npz'],
    ]);
    expect(Buffer.from(file('few', 'trajectory.npz')).toString('latin1')).toContain("'shape': (3, 2, 4, 6, 3)");
  });
  test('a PyTorch state_dict gives the images of the network that it holds', () => {
    const asked = ['--count', '1', '--format', 'npz', '--timesteps', '5', '--schedule', 'cosine', '--image-size', '4'];
    const { status, stdout } = run('torch.safetensors', ...asked, '--out', 'from-torch');
    expect({ status }).toEqual({ status: 0 });
    expect(stdout).toContain('Model: a PyTorch state_dict, images of 4×4×3, cosine schedule of 5 timesteps');
    // As DataParallel saves it.
    expect(run('wrapped.safetensors', ...asked, '--out', 'from-wrapped').status).toBe(0);
    expect(file('from-wrapped', 'images.npz')).toEqual(file('from-torch', 'images.npz'));
    // As torch.save writes it.
    const saved = run('training.pt', ...asked, '--out', 'from-saved');
    expect(saved.stdout).toContain(
      'Model: a PyTorch state_dict of model without "module." before its names, images of',
    );
    expect(file('from-saved', 'images.npz')).toEqual(file('from-torch', 'images.npz'));
  });
});

test('draws from a folder that diffusers saved', async () => {
  const config = {
    ...{ in_channels: 3, out_channels: 3, sample_size: 4, layers_per_block: 1, norm_num_groups: 2 },
    ...{ block_out_channels: [4], down_block_types: ['DownBlock2D'], up_block_types: ['UpBlock2D'] },
    add_attention: false,
  };
  const scheduler = { _class_name: 'DDIMScheduler', num_train_timesteps: 8 };
  await savePipeline(join(folder, 'pipeline'), { unet: new Unet2d(config), config, scheduler });
  const drawn = run(
    'pipeline',
    '--count',
    '1',
    '--steps',
    '2',
    '--format',
    'png',
    '--backend',
    'cpu',
    '--out',
    'drawn',
  );
  expect(drawn.stdout).toContain("Model: diffusers' UNet2DModel, images of 4×4×3");
  expect(decodePng(readFileSync(join(folder, 'drawn', '0.png')))).toMatchObject({ width: 4, height: 4, channels: 3 });
});

test('a classifier of noisy images leads a model without classes', async () => {
  const name = join(folder, 'shade.mjs');
  writeFileSync(
    name,
    `import * as tf from '${import.meta.resolve('@tensorflow/tfjs')}';
     export default () => ({ w: tf.variable(tf.tensor2d([[-9, 9]])),
       apply(x) { return tf.matMul(tf.reshape(tf.mean(x, [1, 2, 3]), [-1, 1]), this.w); } });`,
  );
  const classifier = (path: string, timesteps: number) => {
    mkdirSync(join(folder, path));
    return writeCheckpoint(join(folder, path, 'checkpoint.safetensors'), {
      ...{ networks: { classifier: { name, options: {} } }, step: 3, settings: {}, state: new Map() },
      meaning: noisedClassifierMeaningToJson({
        ...{ image: [4, 6, 3], classNames: ['dark', 'light'], levels: scheduleLevels(cosineSchedule({ timesteps })) },
      }),
      weights: new Map([['classifier.w', { shape: [1, 2], data: Float32Array.of(-9, 9) }]]),
    });
  };
  await classifier('shades', 5);
  await classifier('others', 6);
  const led = ['--classifier', 'shades', '--guidance', '30', '--count', '2', '--format', 'png', '--out', 'led'];
  expect(run('run', ...led, '--sampler', 'ancestral').stderr).toBe('');
  const shade = (i: number) => {
    const { data } = decodePng(new Uint8Array(readFileSync(join(folder, 'led', `${i}.png`))));
    return data.reduce((sum, byte) => sum + byte, 0) / data.length;
  };
  expect(shade(1)).toBeGreaterThan(shade(0) + 20);
  expect(run('run', '--classifier', 'others').stderr).toContain(
    'others was trained at other noise levels than the model',
  );
  expect(run('run', '--classifier', 'run').stderr).toContain('run cannot be used: its meaning');
});

describe('a model with classes', () => {
  test('draws the class that is asked for, by name or number, or all in turn', async () => {
    const tfjs = import.meta.resolve('@tensorflow/tfjs');
    const name = join(folder, 'conditional.mjs');
    // Its prediction of the noise follows from the class alone, so that each class has a gray of its own.
    const code = `import * as tf from '${tfjs}';
      export default () => ({
        conditions: ['label'],
        shade: tf.variable(tf.tensor1d([-1, 0, 1])),
        apply(x, t, { label }) { return tf.sub(x, tf.reshape(tf.gather(this.shade, label), [-1, 1, 1, 1])); },
      });`;
    writeFileSync(name, code);
    const { default: make } = (await import(pathToFileURL(name).href)) as { default: () => object };
    await write('classes', { name, options: {} }, make(), ['dark', 'gray', 'light']);
    const draw = (...args: string[]) => {
      const { status, stderr } = run('classes', '--steps', '5', '--format', 'png', ...args);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    };
    draw('--count', '3', '--out', 'all');
    draw('--count', '3', '--class', 'Light', '--out', 'light');
    draw('--count', '3', '--class', '2', '--out', 'second');
    const brightness = (out: string, i: number) =>
      decodePng(file(out, `${i}.png`)).data.reduce((sum, value) => sum + value, 0);
    expect(brightness('all', 2)).toBeGreaterThan(brightness('all', 0));
    expect(file('all', '2.png')).toEqual(file('light', '2.png'));
    for (const i of [0, 1, 2]) expect(file('second', `${i}.png`)).toEqual(file('light', `${i}.png`));
    const refused = run('classes', '--class', 'blue');
    expect(refused.status).toBe(2);
    expect(refused.stderr).toContain(
      "--class: expected a class, dark, gray, light, or its number from 0 to 2; got 'blue'",
    );
    expect(run('run', '--class', '1').stderr).toContain(
      '--class is for a model that takes classes, and this one takes none',
    );
  });
});

test('--from and --mask draw anew what is white in the mask, of a picture of any size', () => {
  const gray = (of: (x: number) => number) =>
    encodePng({ width: 12, height: 8, channels: 1, data: Uint8Array.from({ length: 96 }, (_, i) => of(i % 12)) });
  writeFileSync(
    join(folder, 'photo.png'),
    gray(() => 180),
  );
  writeFileSync(
    join(folder, 'mask.png'),
    gray((x) => (x < 6 ? 0 : 255)),
  );
  const { status, stderr } = run(
    ...['run', '--from', 'photo.png', '--mask', 'mask.png', '--count', '2', '--steps', '4', '--out', 'inpainted'],
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const { data } = decodePng(file('inpainted', '1.png'));
  const columns = (from: number) =>
    data.filter((_, i) => Math.floor(i / 3) % 6 >= from && Math.floor(i / 3) % 6 < from + 2);
  expect(new Set(columns(0))).toEqual(new Set([180]));
  expect(new Set(columns(4)).size).toBeGreaterThan(1);
});

test('--compare draws a row for each sampler, and says what does not fit', () => {
  const { status, stdout, stderr } = run(
    ...['run', '--compare', 'ddim,heun', '--compare-steps', '2,all,9', '--count', '2', '--out', 'compared'],
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toContain(
    "ddim, 9 steps: trailing: steps must be a whole number from 1 to 5, the schedule's timesteps",
  );
  expect(readdirSync(join(folder, 'compared')).sort()).toEqual(['compare.png', 'samples.json']);
  const { samplers, steps, seconds } = JSON.parse(Buffer.from(file('compared', 'samples.json')).toString()) as {
    [name: string]: unknown[];
  };
  expect([samplers, steps]).toEqual([
    ['ddim', 'heun'],
    [2, 'all', 9],
  ]);
  expect(seconds).toEqual([
    [expect.any(Number), expect.any(Number), null],
    [expect.any(Number), expect.any(Number), expect.any(Number)],
  ]);
  // Two images of 6×4, nine times as large, side by side, in three columns.
  const { width, height } = decodePng(file('compared', 'compare.png'));
  expect([width, height]).toEqual([150 + 3 * (15 * 9 + 14), 36 + 2 * (6 * 9 + 20 + 14)]);
});

test('a cascade of three stages is drawn whole, each stage from what lies in its folder as base', async () => {
  const stage = (image: [number, number, number], from?: [number, number]) => ({
    ...{ image, parameterisation: epsilon, levels: scheduleLevels(cosineSchedule({ timesteps: 5 })) },
    ...(from && { lowRes: { size: from, maxAugmentation: 0.4 } }),
  });
  const writeStage = async (path: string, meaning: ReturnType<typeof stage>) => {
    const given = { dim: 4, dimMults: [1], channels: meaning.lowRes ? 3 : 1, outDim: 1 };
    const unet = new Unet(given);
    mkdirSync(join(folder, path), { recursive: true });
    await writeCheckpoint(join(folder, path, 'checkpoint.safetensors'), {
      ...{ step: 1, settings: {}, state: new Map(), meaning: meaningToJson(meaning) },
      networks: { denoiser: { name: '@ddpm/unet', options: given } },
      weights: await parameterValues({ denoiser: meaning.lowRes ? superResolution(unet) : unet }),
    });
  };
  await writeStage('cascade', stage([8, 8, 1], [4, 4]));
  expect(run('cascade')).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('name by --base the model that draws those') as unknown,
  });
  await writeStage(join('cascade', 'base'), stage([4, 4, 1], [2, 2]));
  await writeStage(join('cascade', 'base', 'base'), stage([2, 2, 1]));
  const args = ['--count', '2', '--steps', '2', '--sampler', 'ddim', '--format', 'npz'];
  expect(run('cascade', ...args, '--out', 'whole')).toMatchObject({ status: 0, stderr: '' });
  const record = JSON.parse(readFileSync(join(folder, 'whole', 'samples.json'), 'utf8')) as Record<string, object>;
  expect(record.base).toMatchObject({ count: 2, augmentation: 0.1, base: { augmentation: 0.1 } });
  const images = (out: string) => readFileSync(join(folder, out, 'images.npz'));
  run('cascade', ...args, '--base', join('cascade', 'base'), '--out', 'named');
  expect(images('named')).toEqual(images('whole'));
  run('cascade', ...args, '--augmentation', '0.3', '--out', 'noisier');
  expect(images('noisier')).not.toEqual(images('whole'));
  expect(run('cascade', ...args, '--augmentation', '0.5').stderr).toContain(
    '--augmentation: the augmentation must be from 0 to 0.4, which the model knows; got 0.5',
  );
  expect(run('cascade', '--base', join('cascade', 'base', 'base')).stderr).toContain(
    'base draws images of 2×2×1, and the model takes 4×4×1'.replace('base', join('cascade', 'base', 'base')),
  );
  expect(run('run', '--base', 'cascade').stderr).toContain('--base is for a model that makes large images of small');
});

test('a decoder whose folder holds a prior draws words, the same of a seed, whatever is drawn at a time', async () => {
  const tokenizer = trainWords(['dark', 'light'], { size: 8, length: 2 });
  const { vocabularySize } = tokenizer;
  const sizes = { width: 4, layers: 1, heads: 1, features: 4, vocabularySize, length: 2 };
  const given = {
    clip: { ...sizes, imageSize: 4, channels: 1, patchSize: 2 },
    prior: sizes,
    denoiser: {
      ...{ channels: 1, features: 4, contextWidth: 4, modelChannels: 4, channelMult: [1], numResBlocks: 1, groups: 2 },
    },
  };
  const made = {
    clip: createClip(given.clip),
    prior: new DiffusionPrior(sizes),
    denoiser: createGlide(given.denoiser),
  };
  const packages = { clip: '@ddpm/text', prior: '@ddpm/text/diffusion-prior', denoiser: '@ddpm/glide' };
  const captions = { length: 2, tokenizer: tokenizer.json as JsonObject, dropout: 0.1 };
  const write = async (path: string, part: 'prior' | 'denoiser', meaning: JsonObject) => {
    mkdirSync(join(folder, path), { recursive: true });
    // The decoder's last convolution begins with zeros.
    const weights = [...(await parameterValues({ [part]: made[part], clip: made.clip }))].map(
      ([name, value], k) =>
        [
          name,
          name.startsWith('clip.')
            ? value
            : { ...value, data: value.data.map((old, i) => old + 0.2 * Math.sin(7 * i + k)) },
        ] as const,
    );
    const networks = [part, 'clip' as const].map((name) => [name, { name: packages[name], options: given[name] }]);
    await writeCheckpoint(join(folder, path, 'checkpoint.safetensors'), {
      ...{ step: 1, settings: {}, state: new Map(), weights: new Map(weights), meaning },
      networks: Object.fromEntries(networks) as Record<string, { name: string; options: JsonObject }>,
    });
  };
  const levels = scheduleLevels(cosineSchedule({ timesteps: 5 }));
  const { dropout: _, ...own } = captions;
  await write(
    'dalle2',
    'denoiser',
    meaningToJson({
      ...{ image: [4, 4, 1], parameterisation: epsilon, levels },
      clip: { features: 4, dropout: 0.1, image: [4, 4, 1], captions: own },
    }),
  );
  const asked = ['--count', '2', '--steps', '2', '--sampler', 'ddim', '--format', 'png,grid', '--backend', 'cpu'];
  await write(
    join('dalle2', 'prior'),
    'prior',
    diffusionPriorMeaningToJson({ features: 4, image: [4, 4, 1], captions, levels }),
  );
  const draw = (out: string, ...args: string[]) => {
    expect(run('dalle2', ...args, ...asked, '--out', out)).toMatchObject({ status: 0, stderr: '' });
    return [0, 1].map((k) => file(out, `${k}.png`));
  };
  const words = draw('of-words', 'dark', 'light');
  expect(draw('of-words-again', 'dark', 'light', '--batch-size', '1')).toEqual(words);
  const record = JSON.parse(Buffer.from(file('of-words', 'samples.json')).toString()) as Record<string, unknown>;
  expect(record).toMatchObject({ captions: ['dark', 'light'], diffusionPrior: `${packages.prior} after 1 steps` });
});

describe('what is wrong is one line', () => {
  test.each<[number, string[], string | RegExp]>([
    [2, [], 'name a model: a run folder, a file, or --pretrained <name>'],
    [2, ['run', '--count', '0'], '--count must be a whole number of at least 1, got 0'],
    [2, ['run', '--seed', 'x'], "--seed must be a whole number, got 'x'"],
    [1, ['nowhere'], 'nowhere cannot be read: there is no such file or folder'],
    [1, ['.'], '. holds no run: checkpoint.safetensors cannot be read: there is no such file or folder'],
    [2, ['run', '--format', 'png,jpg'], '--format must be one of png, grid, gif, apng, npz, got ["png","jpg"]'],
    [
      2,
      ['run', '--sampler', 'ddim', '--steps', '6'],
      "trailing: steps must be a whole number from 1 to 5, the schedule's timesteps; got 6",
    ],
    [
      2,
      ['run', '--timesteps', '9'],
      '--schedule, --timesteps and --image-size are for a PyTorch state_dict; run tells its own',
    ],
    [1, ['other.safetensors'], "other.safetensors cannot be used: this is no state_dict of the tutorial's U-Net"],
    [
      1,
      ['truncated.safetensors'],
      /truncated\.safetensors cannot be used: safetensors: the header is said to have .* follow; the file is cut off/,
    ],
    [1, ['torch.pt'], 'torch.pt cannot be used: torch-file: the archive has no end; the file is cut off'],
    [1, ['foreign'], 'network no-such-network cannot be found'],
    [
      1,
      ['misfit'],
      `${join('misfit', 'checkpoint.safetensors')} cannot be used: loadParameters: denoiser.initConv.weight is missing`,
    ],
    [1, ['run', '--out', 'run'], 'run cannot be written to: it holds files already'],
  ])('exit code %i: %j', (code, args, message) => {
    const { status, stderr } = run(...args);
    expect(stderr).toMatch(/^ddpm-sample: [^\n]+\n$/);
    expect(stderr).toMatch(message);
    expect(status).toBe(code);
  });
});
