/* global document, URLSearchParams */
// Compares the built page with Node, and measures it: node scripts/check.mjs [webgpu]
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { readCheckpoint } from '@ddpm/checkpoint';
import { prepareExecution } from '@ddpm/execution';
import { compileNetwork, draw, labels, loadDenoiser, samplerFor } from '@ddpm/models';
import { checkpoint } from '@ddpm/pretrained-fashion-mnist';
import '@tensorflow/tfjs-backend-cpu';
import { openPage, servePage, startBrowser } from './browse.mjs';

const webgpu = process.argv[2] === 'webgpu';
const [seed, steps, scale] = [1, webgpu ? 3 : 12, 2];
const patience = 400_000;

async function inNode(count) {
  const execution = await prepareExecution('compiled');
  const { network, parameters, parameterisation, levels, image } = await loadDenoiser(
    await readCheckpoint(fileURLToPath(checkpoint)),
  );
  const condition = labels(count, { classes: 10 });
  const run = await compileNetwork(execution, network, { parameters, image, condition, fixed: true });
  const sampler = samplerFor({ steps }, levels);
  const guidance = { scale, none: 10 };
  const values = await draw({ network: run, parameterisation, sampler, image, condition, guidance, count, seed });
  await run.dispose();
  return values;
}

/** Measures the page's drawing: pictures, seconds, and the bytes that it loads. */
async function inPage(browser, { isolated = false, count, ...settings }) {
  const server = await servePage({ isolated });
  const query = new URLSearchParams({ seed, steps, guidance: scale, count, ...settings });
  const begun = performance.now();
  const page = await openPage(browser, `${server.url}#denoise?${query}`);
  try {
    await page.waitForFunction(
      () => document.querySelector('[role="status"]')?.textContent.startsWith('Step'),
      undefined,
      { timeout: patience },
    );
    const first = (performance.now() - begun) / 1000;
    const root = page.locator('[data-done="0"]');
    await root.waitFor({ timeout: patience, state: 'attached' });
    // Once more, when everything is warm.
    await page.getByRole('button', { name: 'Draw others' }).click();
    await page.getByLabel('Seed').fill(String(seed));
    await page.getByLabel('Seed').press('Enter');
    await page.waitForTimeout(500);
    await root.waitFor({ timeout: patience, state: 'attached' });
    const { values, text } = await root.evaluate((element) => ({
      values: [...element.values],
      text: element.querySelector('[role="status"]').textContent,
    }));
    const tasks = await page.evaluate(() => globalThis.longTasks.map(({ duration }) => duration));
    assert.deepEqual(page.problems, []);
    const kilobytes = [...server.sizes].map(([path, size]) => [path, Math.round(size / 1000)]);
    return { values, first, seconds: Number(/in ([\d.]+) s/.exec(text)[1]), kilobytes, longest: Math.max(0, ...tasks) };
  } finally {
    await page.close();
    server.close();
  }
}

const count = webgpu ? 1 : 20;
const browser = await startBrowser(webgpu ? ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'] : []);
try {
  const expected = await inNode(count);
  const ways = webgpu ? [{ device: 'webgpu' }] : [{ threads: 1 }, { threads: 2 }, { threads: 2, isolated: true }];
  for (const way of ways) {
    const { values, first, seconds, kilobytes, longest } = await inPage(browser, { count, ...way });
    const difference = Math.max(...values.map((value, i) => Math.abs(value - expected[i])));
    console.log(
      `${JSON.stringify(way)}: first picture after ${first.toFixed(1)} s, ${(count / seconds).toFixed(2)} images/s, differs from Node by ${difference.toExponential(1)}, longest task ${longest} ms`,
    );
    if (way === ways[0]) console.log(kilobytes.map(([path, size]) => `  ${size} kB ${path}`).join('\n'));
    assert.ok(difference < (webgpu ? 1e-3 : 1e-4), `differs from Node by ${difference}`);
  }
} finally {
  await browser.close();
}
