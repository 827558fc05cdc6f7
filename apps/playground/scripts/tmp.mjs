import { openPage, servePage, startBrowser } from './browse.mjs';
const s = await servePage();
const b = await startBrowser();
for (const h of process.argv.slice(2)) {
  const page = await openPage(b, 'about:blank');
  page.on('console', (m) => console.log(m.text()));
  const t = performance.now();
  await page.goto(s.url + h);
  await page.locator('[data-done]').waitFor({ state: 'attached', timeout: 200000 });
  console.log(h, performance.now() - t, await page.getByRole('status').first().textContent());
  await page.close();
}
await b.close();
s.close();
