/* global DataTransfer, document, File, location, URLSearchParams */
// Compares the built page with Node, and measures it: node scripts/check.mjs [webgpu | denoise | say | train]
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readCheckpoint } from '@ddpm/checkpoint';
import { repaint, withKnown } from '@ddpm/diffusion';
import { prepareExecution } from '@ddpm/execution';
import { captionTokens, chooseSampler, compileNetwork, draw, labels, loadDenoiser } from '@ddpm/models';
import { checkpoint as garments } from '@ddpm/pretrained-fashion-mnist';
import { checkpoint as portraits } from '@ddpm/pretrained-pixel-art';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { openPage, servePage, startBrowser } from './browse.mjs';

const [only] = process.argv.slice(2);
const webgpu = only === 'webgpu';
const [seed, steps, scale] = [1, webgpu ? 3 : 12, 2];
const patience = 400_000;

/** Images by a pretrained model, its conditions and what else `more` gives for it. */
async function inNode(file, count, more) {
  const execution = await prepareExecution('compiled');
  const denoiser = await loadDenoiser(await readCheckpoint(fileURLToPath(file)));
  const { network, parameters, parameterisation, levels, image } = denoiser;
  const chosen = chooseSampler({ steps }, levels);
  const options = { sampler: chosen.make(chosen.levels), ...more(denoiser, chosen) };
  const { condition } = options;
  const run = await compileNetwork(execution, network, { parameters, image, condition, fixed: true });
  const values = await draw({ network: run, parameterisation, image, count, seed, ...options });
  await run.dispose();
  return values;
}

const drawn = (root) => root.evaluate(({ values }) => [...values]);
const differ = (values, expected) => {
  assert.equal(values.length, expected.length);
  return Math.max(...values.map((value, i) => Math.abs(value - expected[i])));
};
const agree = (what, difference, limit = 1e-4) => {
  console.log(`${what} differs from Node by ${difference.toExponential(1)}`);
  assert.ok(difference < limit, `${what} differs from Node by ${difference}`);
};

/** Garments in the page, the seconds that they take, and the bytes that it loads. */
async function denoise(browser, { isolated = false, count, ...settings }) {
  const server = await servePage({ isolated });
  const query = new URLSearchParams({ seed, steps, guidance: scale, count, ...settings });
  const begun = performance.now();
  const page = await openPage(browser, `${server.url}#denoise?${query}`, { traced: true });
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
    await page.evaluate(() => performance.mark('again'));
    await page.getByLabel('Seed').fill(String(seed));
    await page.getByLabel('Seed').press('Enter');
    await page.waitForTimeout(500);
    await root.waitFor({ timeout: patience, state: 'attached' });
    const text = await page.getByRole('status').first().textContent();
    assert.deepEqual(page.problems, []);
    return {
      ...{ values: await drawn(root), first, seconds: Number(/in ([\d.]+) s/.exec(text)[1]) },
      kilobytes: [...server.sizes].map(([path, size]) => [path, Math.round(size / 1000)]),
      ...(await page.measure('again')),
    };
  } finally {
    await page.close();
    server.close();
  }
}

const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** Portraits of words, and one of them changed, which lies in the link: each as Node draws it. */
async function say(browser) {
  const server = await servePage();
  const count = 9;
  const page = await openPage(browser, `${server.url}#say?${new URLSearchParams({ words: 'blue hat', seed, steps })}`);
  const root = page.locator('[data-done]');
  const told = ({ captions }, words) => ({
    condition: captionTokens(captions, [words], count),
    guidance: { scale: 3, none: captionTokens(captions, ['']) },
  });
  try {
    await root.waitFor({ timeout: patience, state: 'attached' });
    const expected = await inNode(portraits, count, (denoiser) => told(denoiser, 'blue hat'));
    agree('a portrait of words', differ(await drawn(root), expected));
    await page.getByRole('button', { name: 'Change portrait 3' }).click();
    await page.getByRole('button', { name: 'bottom' }).click();
    await page.getByLabel('What should be there').fill('red shirt');
    await page.getByLabel('What should be there').press('Enter');
    await page.waitForFunction(() => location.hash.includes('red+shirt'));
    await root.waitFor({ timeout: patience, state: 'attached' });
    const link = new URLSearchParams((await page.evaluate(() => location.hash)).split('?')[1]);
    const picture = Float32Array.from(link.get('picture'), (letter) => (digits.indexOf(letter) / 63) * 2 - 1);
    const mask = Float32Array.from(
      { length: 256 },
      (_, i) => (digits.indexOf(link.get('mask')[(i / 6) | 0]) >> (i % 6)) & 1,
    );
    const changed = await inNode(portraits, count, (denoiser, { levels, make }) => {
      const known = { image: tf.tensor4d(picture, [1, 16, 16, 3]), mask: tf.tensor4d(mask, [1, 16, 16, 1]) };
      return {
        ...told(denoiser, 'red shirt'),
        sampler: repaint(levels, make, { ...known, jump: 1, times: 3 }),
        begin: ({ xT, rng }) => withKnown(xT, levels[0], known, rng),
      };
    });
    agree('a portrait that is changed', differ(await drawn(root), changed));
    await page.reload();
    await root.waitFor({ timeout: patience, state: 'attached' });
    agree('the same by its link', differ(await drawn(root), changed));
    assert.deepEqual(page.problems, []);
  } finally {
    await page.close();
    server.close();
  }
}

/** Trains in the page, stops and goes on, and draws with the checkpoint: in Node, and in the page again. */
async function train(browser) {
  const server = await servePage();
  const folder = await mkdtemp(join(tmpdir(), 'playground-'));
  const file = join(folder, 'checkpoint.safetensors');
  const page = await openPage(browser, `${server.url}#train?pictures=digits`, { traced: true });
  try {
    await page.getByText(/Press Train/).waitFor({ timeout: patience });
    await page.getByRole('button', { name: 'Train' }).click();
    const reached = (steps) => page.getByText(new RegExp(`^Step ${steps} of`)).waitFor({ timeout: patience });
    await reached('(\\d\\d+|[2-9])');
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByRole('button', { name: 'Go on' }).click({ timeout: patience });
    await reached('\\d\\d+');
    await page.getByRole('button', { name: 'Stop' }).click();
    const [download] = await Promise.all([
      page.waitForEvent('download', { timeout: patience }),
      page.getByRole('button', { name: 'Download the checkpoint' }).click({ timeout: patience }),
    ]);
    await download.saveAs(file);
    assert.deepEqual(page.problems, []);
    const { lasted, computed } = await page.measure();
    console.log(`training: longest task ${lasted} ms, ${computed} ms of it computing`);
    await page.close();
    const sampler = fileURLToPath(new URL('../../sampler/dist/cli.js', import.meta.url));
    const out = join(folder, 'samples');
    execFileSync(process.execPath, [sampler, file, '--count', '2', '--steps', '2', '--out', out], { stdio: 'inherit' });
    assert.ok((await readdir(out)).some((name) => name.endsWith('.png')));
    const again = await openPage(browser, `${server.url}#denoise?count=1&steps=1`);
    await again.locator('[data-done]').waitFor({ timeout: patience, state: 'attached' });
    const dropped = await again.evaluateHandle(
      (bytes) => {
        const data = new DataTransfer();
        data.items.add(new File([Uint8Array.from(bytes)], 'checkpoint.safetensors'));
        return data;
      },
      [...(await readFile(file))],
    );
    await again.dispatchEvent('main', 'drop', { dataTransfer: dropped });
    await again
      .getByText(/ \d+ steps of training/)
      .filter({ hasNotText: ' 11014 ' })
      .waitFor({ timeout: patience });
    console.log(`dropped on the page: ${await again.getByText(/steps of training/).textContent()}`);
    await again.close();
  } finally {
    server.close();
    await rm(folder, { recursive: true });
  }
}

/** Garments on each way to run them. */
async function compareWays(browser) {
  const count = webgpu ? 1 : 20;
  const expected = await inNode(garments, count, () => ({
    condition: labels(count, { classes: 10 }),
    guidance: { scale, none: 10 },
  }));
  const ways = webgpu ? [{ device: 'webgpu' }] : [{ threads: 1 }, { threads: 2 }, { threads: 2, isolated: true }];
  for (const way of ways) {
    const { values, first, seconds, kilobytes, lasted, computed, worked } = await denoise(browser, { count, ...way });
    console.log(
      `${JSON.stringify(way)}: first picture after ${first.toFixed(1)} s, ${(count / seconds).toFixed(2)} images/s, ${(count / worked).toFixed(1)} for each second that a processor worked, longest task ${lasted} ms, ${computed} ms of it computing`,
    );
    if (way === ways[0]) console.log(kilobytes.map(([path, size]) => `  ${size} kB ${path}`).join('\n'));
    agree('a garment', differ(values, expected), webgpu ? 1e-3 : 1e-4);
  }
}

const checks = webgpu ? { webgpu: compareWays } : { denoise: compareWays, say, train };
const browser = await startBrowser(webgpu ? ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'] : []);
try {
  for (const [name, check] of Object.entries(checks)) if (!only || only === name) await check(browser);
} finally {
  await browser.close();
}
