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

async function scene(hash, ready) {
  const page = await openPage(browser, `${server.url}${hash}`, {
    viewport: { width: 1100, height: 640 },
    deviceScaleFactor: 0.6,
    reducedMotion: 'reduce',
  });
  await ready(page);
  await page.evaluate(() => document.querySelector('footer').remove());
  for (let i = 0; i <= frames; i++) {
    await page.getByRole('slider', { name: /Time/ }).fill(String(Math.round((i / frames) * 1000)));
    await page.waitForTimeout(400);
    const shot = decodePng(await page.screenshot({ clip }));
    film.push(...Array.from({ length: i === frames ? 4 : 1 }, () => shot));
  }
  await page.close();
}

try {
  await scene('#denoise?steps=16&seed=4&count=10', (page) =>
    page.locator('[data-done]').waitFor({ state: 'attached', timeout: 240_000 }),
  );
  await scene('#points?shape=spiral&steps=16', (page) => page.getByText(/Learned in/).waitFor({ timeout: 240_000 }));
} finally {
  await browser.close();
  server.close();
}
writeFileSync(file, encodeGif(film, { frameMs: 250 }));
