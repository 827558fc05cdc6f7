/* global document */
// Films the built page, for the README: node scripts/film.mjs <file.gif>
import { writeFileSync } from 'node:fs';
import { encodeGif } from '@ddpm/images/gif';
import { decodePng } from '@ddpm/images/png';
import { openPage, servePage, startBrowser } from './browse.mjs';

const [file = 'playground.gif'] = process.argv.slice(2);
const [frames, clip] = [10, { x: 8, y: 0, width: 784, height: 584 }];
const server = await servePage();
const browser = await startBrowser();
const film = [];

async function open(hash) {
  const page = await openPage(browser, `${server.url}${hash}`, {
    viewport: { width: 1100, height: 640 },
    deviceScaleFactor: 0.6,
    reducedMotion: 'reduce',
  });
  await page.evaluate(() => document.querySelector('footer').remove());
  return page;
}

/** A picture, which stands for so many frames. */
async function shoot(page, times = 1) {
  const shot = decodePng(await page.screenshot({ clip }));
  film.push(...Array.from({ length: times }, () => shot));
}

const drawn = (page) => page.locator('[data-done]').waitFor({ state: 'attached', timeout: 400_000 });

/** From noise on, by the slider. */
async function slide(hash, ready) {
  const page = await open(hash);
  await ready(page);
  for (let i = 0; i <= frames; i++) {
    await page.getByRole('slider', { name: /Time/ }).fill(String(Math.round((i / frames) * 1000)));
    await page.waitForTimeout(400);
    await shoot(page, i === frames ? 4 : 1);
  }
  await page.close();
}

/** Portraits of words; then one whose shirt becomes another. */
async function say() {
  const page = await open('#say?words=long+black+hair,+dark+glasses,+yellow+shirt&seed=4&steps=16');
  await drawn(page);
  await shoot(page, 4);
  await page.getByRole('button', { name: 'Change portrait 1' }).click();
  await page.waitForTimeout(400);
  await shoot(page, 3);
  await page.getByRole('button', { name: 'bottom' }).click();
  const shirt = page.getByRole('group', { name: 'shirt' });
  await shirt.getByRole('button', { name: 'blue', exact: true }).click();
  // A fast machine is soon further.
  for (const step of [1, 6, 12, 18, 24, 30, 36]) {
    const since = Array.from({ length: 41 - step }, (_, i) => step + i).join('|');
    const there = page.getByText(new RegExp(`^Step (${since}) `)).waitFor({ timeout: 400_000 });
    await Promise.race([there, drawn(page)]);
    await shoot(page);
  }
  await drawn(page);
  await page.waitForTimeout(400);
  await shoot(page, 6);
  await page.close();
}

try {
  await slide('#denoise?steps=16&seed=4&count=10', drawn);
  await say();
  await slide('#points?shape=spiral&steps=16', (page) => page.getByText(/Learned in/).waitFor({ timeout: 240_000 }));
} finally {
  await browser.close();
  server.close();
}
writeFileSync(file, encodeGif(film, { frameMs: 250 }));
