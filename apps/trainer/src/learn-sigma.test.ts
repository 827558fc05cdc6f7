import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCheckpoint } from '@ddpm/checkpoint';
import { encodePng } from '@ddpm/images/png';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import '@tensorflow/tfjs';
import { execute } from './execute';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ddpm-sigma-'));
  mkdirSync(join(folder, 'images'));
  for (let i = 0; i < 12; i++) {
    const data = Uint8Array.from({ length: 16 }, (_, k) => (k * (i + 3) * 5) % 256);
    writeFileSync(join(folder, 'images', `${i}.png`), encodePng({ width: 4, height: 4, channels: 1, data }));
  }
});
/** A network of as many channels as it is asked for, or of one. */
function write(name: string, heed: boolean): string {
  const path = join(folder, name);
  writeFileSync(
    path,
    `import * as tf from '${import.meta.resolve('@tensorflow/tfjs')}';
     export default ({ channels, outChannels = channels }) => ({
       w: tf.variable(tf.fill([1, 1, channels, ${heed ? 'outChannels' : 'channels'}], 0.1)),
       b: tf.variable(tf.scalar(0.1)),
       apply(x, t) { return tf.add(tf.conv2d(x, this.w, 1, 'same'), tf.mul(tf.reshape(t, [-1, 1, 1, 1]), this.b)); },
     });`,
  );
  return path;
}
afterAll(() => rmSync(folder, { recursive: true }));

const settings = () => ({
  ...{ dataset: 'folder', dataDir: join(folder, 'images'), batchSize: 8, timesteps: 2 },
  ...{
    checkpointEvery: 4,
    sampleEvery: 0,
    network: write('mine.mjs', true),
    validation: 4,
    validateEvery: 4,
    backend: 'cpu',
    learningRate: 0.01,
  },
  ...{ learnSigma: true, loss: 'hybrid', levelSource: 'importance', quiet: true },
});

test('a run with a hybrid loss says so in its checkpoint, records each loss, and goes on to the bit', async () => {
  const [whole, half] = ['whole', 'half'].map((name) => join(folder, name));
  await execute({ ...settings(), out: whole, steps: 8 });
  await execute({ ...settings(), out: half, steps: 4 });
  await execute({ resume: half, steps: 8, quiet: true });
  const [straight, resumed] = await Promise.all(
    [whole, half].map((run) => readCheckpoint(join(run, 'checkpoint.safetensors'))),
  );
  expect(straight.meaning.learnedVariance).toBe('range');
  expect(straight.networks.denoiser.options).toMatchObject({ channels: 1, outChannels: 2 });
  expect([resumed.weights, resumed.state]).toEqual([straight.weights, straight.state]);
  // Ten losses of either level, so that levels are no longer uniform.
  expect([...straight.state.get('task/counts')!]).toEqual([10, 10]);
  const lines = readFileSync(join(whole, 'metrics.jsonl'), 'utf8').trim().split('\n');
  const { losses, validationLoss, measures } = JSON.parse(lines.at(-1)!) as {
    losses: object;
    validationLoss: number;
    measures: Record<string, number>;
  };
  expect(Object.keys(losses)).toEqual(['simple', 'vlb']);
  expect(validationLoss).toBeCloseTo(measures['validation/simple'] + 0.001 * measures['validation/vlb'], 5);
});

test('refuses a network of as many channels as the image', async () => {
  const network = write('deaf.mjs', false);
  await expect(execute({ ...settings(), network, steps: 1, out: join(folder, 'refused') })).rejects.toThrow(
    'must return a float32 tensor of twice the channels of x_t, [1, 4, 4, 2], of which half say the variance (--learn-sigma), not float32 [1, 4, 4, 1]',
  );
});
