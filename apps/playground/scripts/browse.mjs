// What the scripts that look at the built page share: a server of its files, and a browser.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const dist = fileURLToPath(new URL('../dist', import.meta.url));
const types = {
  ...{ '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.wasm': 'application/wasm' },
  ...{ '.png': 'image/png', '.safetensors': 'application/octet-stream' },
};

/** Serves the built page; `sizes` has the bytes of each file that was asked for. */
export async function servePage({ isolated = false } = {}) {
  const sizes = new Map();
  const server = createServer(async (request, response) => {
    const asked = normalize(decodeURIComponent(new URL(request.url, 'http://page').pathname));
    const path = asked === '/' ? '/index.html' : asked;
    try {
      const body = await readFile(join(dist, path));
      sizes.set(path, body.length);
      if (isolated) {
        response.setHeader('cross-origin-opener-policy', 'same-origin');
        response.setHeader('cross-origin-embedder-policy', 'require-corp');
      }
      response.setHeader('content-type', types[extname(path)] ?? 'application/octet-stream').end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${server.address().port}/`, sizes, close: () => server.close() };
}

export const startBrowser = (args = []) =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      ...['--no-sandbox', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
      ...(args.length > 0 ? args : ['--disable-gpu']),
    ],
  });

/**
 * Opens a page that collects its problems. With `traced`, one at a time, `page.measure()` says at the end how long, in ms, a
 * task kept its main thread from anything else, and how much of that the processor was at it: on a busy machine it waits;
 * and the seconds that processors were at its workers' tasks since the page last marked `name`, by `performance.mark`.
 */
export async function openPage(browser, url, { traced = false, ...options } = {}) {
  const page = await browser.newPage({ viewport: { width: 1120, height: 900 }, ...options });
  page.problems = [];
  page.on('pageerror', (error) => page.problems.push(error.message));
  page.on('console', (message) => message.type() === 'error' && page.problems.push(message.text()));
  if (traced) await browser.startTracing(page, { categories: ['toplevel', 'blink.user_timing'] });
  page.measure = async (mark) => {
    await page.evaluate(() => performance.mark('main thread'));
    const { traceEvents: events } = JSON.parse((await browser.stopTracing()).toString());
    const main = events.find(({ name }) => name === 'main thread');
    const begun = events.findLast(({ name }) => name === mark)?.ts ?? 0;
    const workers = new Set(
      events.filter(({ args }) => args?.name === 'DedicatedWorker thread').map(({ pid, tid }) => `${pid} ${tid}`),
    );
    const tasks = events.filter(({ name, dur, tdur }) => /RunTask$/.test(name) && dur && tdur !== undefined);
    const ofMain = tasks.filter(({ pid, tid }) => pid === main.pid && tid === main.tid);
    const [lasted, computed] = ['dur', 'tdur'].map((what) =>
      Math.round(Math.max(0, ...ofMain.map((task) => task[what])) / 1000),
    );
    const ofWorkers = tasks.filter(({ pid, tid, ts }) => ts > begun && workers.has(`${pid} ${tid}`));
    return { lasted, computed, worked: ofWorkers.reduce((sum, { tdur }) => sum + tdur, 0) / 1e6 };
  };
  await page.goto(url);
  return page;
}
