/* global document, innerWidth */
// Opens each view of the built page, uses it, and takes pictures: node scripts/look.mjs <folder> [view …]
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { openPage, servePage, startBrowser } from './browse.mjs';

const [folder = 'looks', ...only] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const patience = 240_000;
const server = await servePage();
const browser = await startBrowser();

const views = {
  async points(page) {
    await page.getByText(/Learned in/).waitFor({ timeout: patience });
    const box = await page.locator('canvas').first().boundingBox();
    await page.getByRole('button', { name: 'Clear' }).waitFor();
    await page.waitForTimeout(4000);
    await picture(page, 'points-spiral');
    await page.mouse.move(box.x + 130, box.y + 130);
    await page.mouse.down();
    for (let i = 0; i <= 40; i++) {
      const angle = (i / 40) * 2 * Math.PI;
      await page.mouse.move(
        box.x + box.width / 2 - 90 * Math.cos(angle),
        box.y + box.height / 2 - 90 * Math.sin(2 * angle) * 0.6,
      );
    }
    await page.mouse.up();
    await page.getByText(/Learning/).waitFor({ timeout: patience });
    await page.getByText(/Learned in/).waitFor({ timeout: patience });
    await page.waitForTimeout(4000);
    assert.match(page.url(), /points=/);
  },
  async denoise(page) {
    await page.locator('[data-done]').waitFor({ timeout: patience, state: 'attached' });
    await page.getByLabel('Class').selectOption({ label: 'Sneaker' });
    await page.getByLabel('Compare with other settings').check();
    await page.locator('[data-done="1"]').waitFor({ timeout: patience, state: 'attached' });
    await page.getByRole('slider', { name: /Time/ }).fill('600');
  },
  async paint(page) {
    await page.locator('[data-done]').waitFor({ timeout: patience, state: 'attached' });
    const box = await page.locator('canvas').first().boundingBox();
    await page.mouse.move(box.x + 40, box.y + 40);
    await page.mouse.down();
    await page.mouse.move(box.x + 160, box.y + 60, { steps: 8 });
    await page.mouse.up();
    await page.getByText(/pictures in/).waitFor({ timeout: patience });
    await page.locator('[data-done]').waitFor({ timeout: patience, state: 'attached' });
  },
  async train(page) {
    await page.getByText(/Press Train/).waitFor({ timeout: patience });
    await page.getByRole('button', { name: 'Train' }).click();
    await page.getByText(/after \d\d+ steps/).waitFor({ timeout: patience });
    await page.waitForTimeout(20_000);
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByRole('button', { name: 'Go on' }).waitFor({ timeout: patience });
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download the checkpoint' }).click(),
    ]);
    await download.saveAs(join(folder, 'checkpoint.safetensors'));
  },
};

async function picture(page, name) {
  await page.waitForTimeout(300);
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}

try {
  for (const [name, use] of Object.entries(views)) {
    if (only.length > 0 && !only.includes(name)) continue;
    const begun = performance.now();
    const page = await openPage(browser, `${server.url}#${name}`, { colorScheme: name === 'paint' ? 'dark' : 'light' });
    try {
      await use(page);
    } finally {
      await picture(page, name);
      const tasks = await page.evaluate(() => globalThis.longTasks.map(({ duration }) => duration));
      const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
      console.log(
        `${name}: ${((performance.now() - begun) / 1000).toFixed(1)} s, longest task ${Math.max(0, ...tasks)} ms${wide ? ', wider than the window' : ''}${page.problems.map((problem) => `\n  ${problem}`).join('')}`,
      );
      await page.close();
    }
  }
} finally {
  await browser.close();
  server.close();
}
