import { existsSync } from 'node:fs';
import { open, readdir, readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { basename, dirname, extname, join, normalize, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UsageError } from '@ddpm/app-common';

const types: Readonly<Record<string, string>> = {
  ...{ '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.wasm': 'application/wasm' },
  ...{ '.png': 'image/png', '.json': 'application/json', '.jsonl': 'application/jsonl' },
};

/**
 * The folder of the playground's built page: of a package that is installed, or beside this app in a clone.
 * @throws UsageError if there is none
 */
export function findPage(): string {
  const beside = fileURLToPath(new URL('../../playground/dist', import.meta.url));
  let installed: string | undefined;
  try {
    installed = join(dirname(createRequire(import.meta.url).resolve('@ddpm/playground/package.json')), 'dist');
  } catch {
    // Not installed.
  }
  const page = [installed, beside].find((folder) => folder !== undefined && existsSync(join(folder, 'index.html')));
  if (page === undefined)
    throw new UsageError(
      '--view shows the run in the playground, which is not here: in a clone, npm run playground builds it',
    );
  return page;
}

/** A run that is shown, and where. */
export interface RunView {
  readonly url: string;
  close(): Promise<void>;
}

/** Shows a run folder in the playground's page, to this machine alone, on a port that is free. */
export async function viewRun(folder: string, { page, steps }: { page: string; steps: number }): Promise<RunView> {
  const answer = async ({ method, url = '/', headers }: IncomingMessage, response: ServerResponse): Promise<void> => {
    const refuse = (status: number) => void response.writeHead(status).end();
    // Another site's name may be made to lead to this machine.
    if (!/^(localhost|127\.0\.0\.1)(:\d+)?$/.test(headers.host ?? '')) return refuse(403);
    if (method !== 'GET') return refuse(405);
    const send = (type: string, body: Uint8Array | string) => void response.setHeader('content-type', type).end(body);
    const sendFile = async (path: string) => {
      try {
        const body = await readFile(path);
        send(types[extname(path)] ?? 'application/octet-stream', body);
      } catch {
        refuse(404);
      }
    };
    const { pathname, searchParams } = new URL(url, 'http://localhost');
    const path = decodeURIComponent(pathname);
    if (!path.startsWith('/run/')) {
      const file = normalize(join(page, path === '/' ? 'index.html' : path));
      return file.startsWith(page + sep) ? sendFile(file) : refuse(404);
    }
    response.setHeader('cache-control', 'no-store');
    if (path === '/run/about') {
      const names = await readdir(join(folder, 'previews')).catch(() => []);
      const previews = names.filter((name) => /^step-\d+\.png$/.test(name)).sort();
      return send(types['.json'], JSON.stringify({ name: basename(folder), steps, previews }));
    }
    if (path === '/run/metrics.jsonl')
      return send(types['.jsonl'], await linesFrom(join(folder, 'metrics.jsonl'), Number(searchParams.get('from'))));
    if (path === '/run/checkpoint.safetensors') return sendFile(join(folder, 'checkpoint.safetensors'));
    const [, preview] = /^\/run\/previews\/(step-\d+\.png)$/.exec(path) ?? [];
    return preview === undefined ? refuse(404) : sendFile(join(folder, 'previews', preview));
  };

  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.writeHead(400).end());
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}/#run`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The whole lines of a file behind its first bytes. */
async function linesFrom(path: string, from: number): Promise<Uint8Array> {
  const file = await open(path).catch(() => undefined);
  if (!file) return new Uint8Array();
  try {
    const { size } = await file.stat();
    const start = Number.isSafeInteger(from) && from >= 0 ? Math.min(from, size) : 0;
    const bytes = Buffer.alloc(size - start);
    const { bytesRead } = await file.read(bytes, 0, bytes.length, start);
    return bytes.subarray(0, bytes.subarray(0, bytesRead).lastIndexOf(10) + 1);
  } finally {
    await file.close();
  }
}
