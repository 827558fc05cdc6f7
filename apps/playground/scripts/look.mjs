/* global document, innerWidth, fetch */
// Opens each view of the built page, uses it, and takes pictures: node scripts/look.mjs <folder> [view …]
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { writeSafetensors } from '@ddpm/safetensors';
import { toTorchStateDict, Unet } from '@ddpm/unet';
import '@tensorflow/tfjs-backend-cpu';
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
  async say(page) {
    const done = page.locator('[data-done]');
    await done.waitFor({ timeout: patience, state: 'attached' });
    await picture(page, 'say-words');
    await page.getByRole('button', { name: 'Change portrait 2' }).click();
    // By the keyboard alone: to the left above, and along the top.
    await page.locator('canvas.drawable').focus();
    for (let i = 0; i < 8; i++) for (const key of ['ArrowUp', 'ArrowLeft']) await page.keyboard.press(key);
    await page.keyboard.press('Space');
    for (let row = 0; row < 3; row++) {
      for (let i = 0; i < 15; i++) await page.keyboard.press(row % 2 ? 'ArrowLeft' : 'ArrowRight');
      for (let i = 0; i < 2; i++) await page.keyboard.press('ArrowDown');
    }
    await page.keyboard.press('Space');
    await page.getByRole('group', { name: 'hat' }).getByRole('button', { name: 'purple' }).click();
    await page.waitForTimeout(500);
    await done.waitFor({ timeout: patience, state: 'attached' });
    assert.match(page.url(), /picture=.*mask=/);
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

/** Other things that a person may meet: a damaged file, a phone, and no network. */
async function circumstances() {
  const damaged = await openPage(browser, `${server.url}#denoise?url=offline.js`);
  await damaged.getByRole('alert').filter({ hasText: /./ }).waitFor({ timeout: patience });
  console.log(`damaged: ${await damaged.getByRole('alert').textContent()}`);
  await damaged.locator('input[type=file]').setInputFiles({
    ...{ name: 'cut.safetensors', mimeType: 'application/octet-stream' },
    buffer: Buffer.from(await (await fetch(`${server.url}index.html`)).arrayBuffer()),
  });
  await damaged.getByText(/cut.safetensors cannot be used/).waitFor({ timeout: patience });
  console.log(`dropped: ${await damaged.getByRole('alert').textContent()}`);
  const unet = writeSafetensors(await toTorchStateDict(new Unet({ dim: 8, dimMults: [1, 2], channels: 1 })));
  await damaged.locator('input[type=file]').setInputFiles({
    ...{ name: 'unet.safetensors', mimeType: 'application/octet-stream', buffer: Buffer.from(unet) },
  });
  await damaged.locator('[data-done]').waitFor({ timeout: patience, state: 'attached' });
  console.log(`a state_dict: ${await damaged.getByText(/million parameters/).textContent()}`);
  await damaged.close();

  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  const phone = await context.newPage();
  for (const view of ['points', 'say', 'paint', 'train', 'denoise']) {
    await phone.goto('about:blank');
    await phone.goto(`${server.url}#${view}${view === 'denoise' ? '?steps=4' : ''}`);
    const ready = { points: phone.getByText(/Learned in/), train: phone.getByText(/Press Train/) };
    await (ready[view] ?? phone.locator('[data-done]')).waitFor({ timeout: patience, state: 'attached' });
    await picture(phone, `phone-${view}`);
    assert.ok(await phone.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${view} is too wide`);
  }
  await context.close();

  // What is loaded at the first visit is kept by the service worker.
  const fresh = await browser.newContext();
  const once = await fresh.newPage();
  await once.goto(`${server.url}#say?steps=2`);
  const drawn = once.locator('[data-done]');
  await drawn.waitFor({ timeout: patience, state: 'attached' });
  await fresh.setOffline(true);
  server.close();
  await once.reload();
  await drawn.waitFor({ timeout: patience, state: 'attached' });
  console.log('offline: drawn again');
  await fresh.close();
}

async function picture(page, name) {
  await page.waitForTimeout(300);
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}

try {
  for (const [name, use] of Object.entries(views)) {
    if (only.length > 0 && !only.includes(name)) continue;
    const begun = performance.now();
    const page = await openPage(browser, `${server.url}#${name}`, {
      ...{ traced: true, colorScheme: name === 'paint' ? 'dark' : 'light' },
    });
    try {
      await use(page);
    } finally {
      await picture(page, name);
      const { lasted, computed } = await page.measure();
      const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
      console.log(
        `${name}: ${((performance.now() - begun) / 1000).toFixed(1)} s, longest task ${lasted} ms, ${computed} ms of it computing${wide ? ', wider than the window' : ''}${page.problems.map((problem) => `\n  ${problem}`).join('')}`,
      );
      await page.close();
    }
  }
  if (only.length === 0 || only.includes('circumstances')) await circumstances();
} finally {
  await browser.close();
  server.close();
}
