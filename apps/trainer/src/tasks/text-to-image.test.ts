import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCheckpoint } from '@ddpm/checkpoint';
import { arrayDataset, readExamples, withTokens } from '@ddpm/datasets';
import { prepareExecution } from '@ddpm/execution';
import { encodePng } from '@ddpm/images/png';
import { loadDenoiser, meaningFromJson } from '@ddpm/models';
import { Random } from '@ddpm/random';
import { tokenizerFromJson, trainWords } from '@ddpm/text';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { writeTinyBert } from '../../../../packages/text/test/tiny-bert';
import { execute } from '../execute';
import { readInvocation } from '../options';
import { textToImage } from './text-to-image';
import { createReporter } from '../reporter';

const reporter = createReporter('quiet');

const tiny = {
  ...{ task: 'text-to-image', timesteps: 10, vocabularySize: 7, captionLength: 4, captionDropout: 0.5 },
  networkOptions: {
    ...{ modelChannels: 4, channelMult: [1], numResBlocks: 1, attentionResolutions: [], numHeads: 1, groups: 2 },
    ...{ textWidth: 4, textLayers: 1, textHeads: 1 },
  },
};
const words = ['a dark square', 'a light square', 'something light', 'dark'];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ddpm-text-to-image-'));
  mkdirSync(join(folder, 'images'));
  words.forEach((caption, i) => {
    const data = new Uint8Array(4).fill(caption.includes('dark') ? 20 : 230);
    writeFileSync(join(folder, 'images', `${i}.png`), encodePng({ width: 2, height: 2, channels: 1, data }));
    writeFileSync(join(folder, 'images', `${i}.txt`), caption);
  });
});
afterAll(() => rmSync(folder, { recursive: true }));

test('is told captions in tokens of its own vocabulary, or now and then none; validation always is', async () => {
  const pictures = arrayDataset({ pixels: new Uint8Array(64), shape: [2, 2, 1] });
  const dataset = { ...pictures, captions: (i: number) => [words[i % 4]] };
  const { settings } = readInvocation(tiny);
  const execution = await prepareExecution('cpu');
  const training = await textToImage.make({ settings, dataset, execution, reporter });
  const { captions } = meaningFromJson(training.meaning);
  const tokenizer = tokenizerFromJson(captions!.tokenizer, { length: captions!.length });
  // Padding, the end, the unknown, and the four most frequent words, of which 'something' is not one.
  expect(tokenizer.encode('light something dark square')).toEqual(Int32Array.of(5, 2, 4, 1));
  expect(captions).toMatchObject({ length: 4, dropout: 0.5 });

  const examples = await readExamples(
    withTokens(dataset, training.tokenizer!),
    Int32Array.from({ length: 16 }, (_, i) => i),
  );
  const rows = (tokens: { readonly data: ArrayLike<number> }) =>
    Array.from({ length: 16 }, (_, i) =>
      Array.from(tokens.data)
        .slice(4 * i, 4 * i + 4)
        .join(),
    );
  const whole = Array.from({ length: 16 }, (_, i) => tokenizer.encode(words[i % 4]).join());
  expect(rows(examples.tokens!)).toEqual(whole);
  expect(rows(training.validation!.draw(examples, new Random(0)).tokens)).toEqual(whole);
  const drawn = rows(training.task.draw(examples, new Random(0)).tokens);
  expect(new Set(drawn)).toEqual(new Set([...whole, '1,0,0,0']));

  // Sixteen pictures of 2×2 with words under them.
  const { width, height, channels } = await training.preview!();
  expect([width, channels]).toEqual([8 + 4 * 136, 3]);
  expect(height).toBeGreaterThan(8 + 4 * 136);
  await training.dispose();
});

test('a run that is resumed ends at the bits of one that was not, and can be drawn from', async () => {
  const options = {
    ...{ ...tiny, dataset: 'folder', dataDir: join(folder, 'images'), batchSize: 2, validation: 1, validateEvery: 2 },
    ...{ sampleEvery: 0, quiet: true, backend: 'cpu' },
  };
  const [half, whole] = ['half', 'whole'].map((name) => join(folder, name));
  await execute({ ...options, steps: 2, out: half });
  await execute({ resume: half, steps: 4, quiet: true });
  await execute({ ...options, steps: 4, out: whole });
  const [resumed, straight] = await Promise.all(
    [half, whole].map((run) => readCheckpoint(join(run, 'checkpoint.safetensors'))),
  );
  expect([resumed.weights, resumed.state, resumed.meaning]).toEqual([
    straight.weights,
    straight.state,
    straight.meaning,
  ]);
  const { network, captions } = await loadDenoiser(resumed, { run: half, bases: [import.meta.url] });
  expect([network.conditions, captions!.length]).toEqual([['tokens'], 4]);
});

test('is told what a frozen encoder says of captions; it resumes to the bit, and opens with that encoder', async () => {
  const encoder = join(folder, 'encoder');
  writeTinyBert(encoder, { captions: words, length: 4 });
  const { settings } = readInvocation({ task: 'text-to-image', textEncoder: encoder });
  expect([settings.network, Object.keys(settings.networkOptions).filter((name) => name.startsWith('text'))]).toEqual([
    '@ddpm/imagen',
    [],
  ]);
  const { textWidth: _w, textLayers: _l, textHeads: _h, ...networkOptions } = tiny.networkOptions;
  const { vocabularySize: _v, ...options } = {
    ...{ ...tiny, networkOptions, textEncoder: encoder },
    ...{ dataset: 'folder', dataDir: join(folder, 'images'), batchSize: 2, validation: 1, validateEvery: 2 },
    ...{ sampleEvery: 4, quiet: true, backend: 'cpu' },
  };
  const [half, whole] = ['half-frozen', 'whole-frozen'].map((name) => join(folder, name));
  await execute({ ...options, steps: 2, out: half });
  await execute({ resume: half, steps: 4, quiet: true });
  await execute({ ...options, steps: 4, out: whole });
  const [resumed, straight] = await Promise.all(
    [half, whole].map((run) => readCheckpoint(join(run, 'checkpoint.safetensors'))),
  );
  expect([resumed.weights, resumed.state]).toEqual([straight.weights, straight.state]);
  // The encoder is not part of the run.
  expect([...resumed.weights.keys()].every((name) => name.startsWith('denoiser.'))).toBe(true);
  const { network, text } = await loadDenoiser(resumed, { run: half, bases: [import.meta.url] });
  expect(network.conditions).toEqual(['text', 'present']);
  expect(text).toMatchObject({ folder: encoder, length: 4, features: 4, dropout: 0.5 });

  writeFileSync(join(encoder, 'tokenizer.json'), JSON.stringify(trainWords(['other'], { length: 4 }).json));
  await expect(execute({ resume: half, steps: 5, quiet: true })).rejects.toThrow(
    `--text-encoder: ${encoder} is another encoder than the one that the model was trained with`,
  );
  await expect(execute({ ...options, vocabularySize: 9, steps: 1, out: join(folder, 'no') })).rejects.toThrow(
    '--vocabulary-size is of a vocabulary, and --text-encoder has its own',
  );
});

test('refuses pictures without captions, and networks without tokens', async () => {
  const bare = join(folder, 'bare');
  mkdirSync(bare);
  writeFileSync(join(bare, 'a.png'), encodePng({ width: 2, height: 2, channels: 1, data: new Uint8Array(4) }));
  const options = {
    ...tiny,
    dataset: 'folder',
    validation: 0,
    quiet: true,
    backend: 'cpu',
    steps: 1,
    out: join(folder, 'none'),
  };
  await expect(execute({ ...options, dataDir: bare })).rejects.toThrow(
    '--task text-to-image needs captions, which folder does not have here; a folder has them in a .txt beside each picture, or in a metadata.jsonl',
  );
  const network = '@ddpm/adm';
  const { networkOptions } = { networkOptions: { modelChannels: 4, channelMult: [1], groups: 2 } };
  await expect(execute({ ...options, network, networkOptions, dataDir: join(folder, 'images') })).rejects.toThrow(
    /AdmUnet: there is no option vocabularySize/,
  );
});
