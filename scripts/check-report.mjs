// node scripts/check-report.mjs RUN [SCREENSHOTS]: opens the report.html of a run folder in Chromium (CHROMIUM, or
// /usr/bin/chromium), on a desktop, on a phone in the dark, and without JavaScript; checks that curves and pictures are
// drawn; and leaves a screenshot of each in the folder SCREENSHOTS (by default the run folder).
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const [run, screenshots = run] = process.argv.slice(2);
if (!run) {
  console.error('check-report: name a run folder');
  process.exit(2);
}
const url = pathToFileURL(resolve(run, 'report.html')).href;
const metrics = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trim().split('\n').map(JSON.parse);
const has = (name) => metrics.some((line) => typeof line[name] === 'number');
// Terms of the loss, of training or validation, but for those that are the loss itself.
const validated = /^validation\//;
const differs = (name) =>
  metrics.some(({ loss, losses }) => losses?.[name] !== undefined && Math.abs(losses[name] - loss) > 1e-5 * loss);
const terms = [
  ...new Set([
    ...metrics.flatMap(({ losses = {} }) => Object.keys(losses)),
    ...metrics.flatMap(({ measures = {} }) =>
      Object.keys(measures).flatMap((name) => (validated.test(name) ? [name.replace(validated, '')] : [])),
    ),
  ]),
].filter((name) => differs(name) || !metrics.some(({ losses }) => losses?.[name] !== undefined));
const curves = [
  ...(has('loss') ? ['Loss'] : []),
  ...(metrics.some(({ quartiles }) => quartiles?.some((loss) => typeof loss === 'number'))
    ? ['Loss by noise level']
    : []),
  ...terms,
  ...new Set(metrics.flatMap(({ measures = {} }) => Object.keys(measures).filter((name) => !validated.test(name)))),
  ...(has('gradNorm') ? ['Gradient norm'] : []),
  ...(has('learningRate') ? ['Learning rate'] : []),
  ...(has('imagesPerSecond') ? ['Images a second'] : []),
];
const previews = existsSync(join(run, 'previews')) ? 1 : 0;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
});
try {
  await check('desktop', { viewport: { width: 1280, height: 900 } });
  await check('phone', {
    viewport: { width: 390, height: 844 },
    deviceScaleFactor: 2,
    isMobile: true,
    hasTouch: true,
    colorScheme: 'dark',
  });
  await check('no-script', { viewport: { width: 1280, height: 900 }, javaScriptEnabled: false });
} finally {
  await browser.close();
}

async function check(name, options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const problems = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => problems.push(message.text()));
  page.on(
    'request',
    (request) =>
      request.url() === url || request.url().startsWith('data:') || problems.push(`asked for ${request.url()}`),
  );
  await page.goto(url);

  const charts = page.locator('figure.chart');
  assert.deepEqual(await charts.locator('figcaption b').allTextContents(), curves);
  for (const chart of await charts.all()) {
    // The longest curve that is to be seen covers most of its chart.
    const shown = await chart.locator('svg:visible').all();
    assert.equal(shown.length, 1);
    const widths = [];
    for (const path of await shown[0].locator('path[stroke-width="2"], g[stroke-width="2"] path').all()) {
      widths.push((await path.boundingBox())?.width ?? 0);
    }
    assert.ok(Math.max(...widths) > 0.6 * (await shown[0].boundingBox()).width, `${name}: a curve is ${widths} wide`);
  }

  const images = await page.locator('.strip img').all();
  assert.ok(images.length >= previews, `${name}: ${images.length} pictures`);
  for (const image of images)
    assert.ok((await image.evaluate((element) => element.naturalWidth)) > 0, `${name}: a picture is not drawn`);
  if (images.length > 1 && options.javaScriptEnabled !== false) {
    const large = page.locator('.viewer img');
    const last = await large.getAttribute('alt');
    await page.locator('.viewer input').focus();
    await page.keyboard.press('ArrowLeft');
    assert.notEqual(await large.getAttribute('alt'), last, `${name}: the slider changes nothing`);
    assert.ok((await large.evaluate((element) => element.naturalWidth)) > 0);
  } else {
    assert.equal(await page.locator('.viewer:visible').count(), 0);
  }

  const overflow = await page.locator('html').evaluate((html) => html.scrollWidth - html.clientWidth);
  assert.equal(overflow, 0, `${name}: the page is ${overflow} pixels too wide`);
  assert.deepEqual(problems, []);
  const path = join(screenshots, `report-${name}.png`);
  await page.screenshot({ path, fullPage: true });
  console.log(`${name}: ${curves.length} charts, ${images.length} pictures, nothing loaded from elsewhere: ${path}`);
  await context.close();
}
