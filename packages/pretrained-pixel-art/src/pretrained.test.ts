import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { readCheckpoint } from '@ddpm/checkpoint';
import { agreement, portraitReader } from '@ddpm/datasets';
import type { Facts } from '@ddpm/datasets';
import { prepareExecution } from '@ddpm/execution';
import { toBytes } from '@ddpm/images';
import { captionTokens, compileNetwork, draw, loadDenoiser, samplerFor } from '@ddpm/models';
import { expect, test } from '@jest/globals';
import { checkpoint } from './index';

test('the model draws the portraits that are asked for, as they are read back from the pixels, and is small', async () => {
  const file = fileURLToPath(checkpoint);
  expect((await stat(file)).size).toBeLessThan(15e6);
  const { network, parameters, parameterisation, levels, image, captions } = await loadDenoiser(
    await readCheckpoint(file),
  );
  const asked: Facts[] = [
    { hair: 'green', clothes: 'red' },
    { hair: 'black', clothes: 'yellow' },
    { hair: 'red', clothes: 'navy' },
    { hair: 'blonde', clothes: 'green' },
  ];
  const count = asked.length;
  const condition = captionTokens(
    captions!,
    asked.map(({ hair, clothes }) => `long ${hair} hair, ${clothes} shirt`),
  );
  const run = await compileNetwork(await prepareExecution(), network, { parameters, image, condition, fixed: true });
  const values = await draw({
    ...{ network: run, parameterisation, image, condition, count, seed: 1 },
    ...{ sampler: samplerFor({ steps: 12 }, levels), guidance: { scale: 3, none: captionTokens(captions!, ['']) } },
  });
  await run.dispose();
  const [read, size] = [await portraitReader(), values.length / count];
  const seen = asked.map((_, i) => read(toBytes(values.subarray(i * size, (i + 1) * size))).facts);
  // Of eight colours.
  expect(agreement(asked, seen).colours.right).toBeGreaterThanOrEqual(6);
});
