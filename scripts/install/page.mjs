/* global document */
import assert from 'node:assert/strict';
import { copyFileSync, cpSync, mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { npm, npx } from './execute.mjs';

/** The packages that the page uses. */
export const pagePackages = ['checkpoint', 'schedules', 'random', 'layers', 'unet', 'adm', 'diffusion', 'images'].map(
  (name) => `@ddpm/${name}`,
);

const types = { '.html': 'text/html', '.js': 'text/javascript' };

/**
 * Builds a page with Vite that draws images from a checkpoint, and looks at it in a browser.
 * @param run a run folder of the trainer
 * @param screenshot where to put a picture of the page, if anywhere
 */
export async function testPage({ folder, env, executablePath, run, screenshot }) {
  const cwd = join(folder, 'page');
  cpSync(fileURLToPath(new URL('page', import.meta.url)), cwd, { recursive: true });
  mkdirSync(join(cwd, 'public'));
  copyFileSync(join(run, 'checkpoint.safetensors'), join(cwd, 'public', 'checkpoint.safetensors'));
  await npm(['install', ...pagePackages, '@tensorflow/tfjs', 'vite@8'], { cwd, env });
  await npx(['vite', 'build'], { cwd, env });

  const server = createServer((request, response) => {
    const path = request.url === '/' ? '/index.html' : request.url;
    response
      .setHeader('content-type', types[extname(path)] ?? 'application/octet-stream')
      .end(readFileSync(join(cwd, 'dist', path)));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const browser = await chromium.launch({
    executablePath,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  try {
    const page = await browser.newPage({ viewport: { width: 480, height: 560 } });
    const problems = [];
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    await page.locator('[data-done], [data-error]').waitFor({ state: 'attached', timeout: 300_000 });
    assert.deepEqual(problems, []);
    const grays = await page.evaluate(() => {
      const canvas = document.querySelector('canvas');
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      return new Set(data.filter((_, i) => i % 4 === 0)).size;
    });
    assert.ok(grays > 32, `the canvas has ${grays} shades`);
    if (screenshot) await page.locator('main').screenshot({ path: screenshot });
  } finally {
    await browser.close();
    server.close();
  }
}
