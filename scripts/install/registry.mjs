import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { basename, dirname } from 'node:path';

/**
 * Serves packed packages on the loopback interface as a registry does, so that they find each other by version, as they
 * will once published.
 * Resolves to the packages' manifests by name, the registry's address, and what closes it.
 */
export async function serveTarballs(paths) {
  const files = new Map(paths.map((path) => [`/${basename(path)}`, path]));
  const entries = paths.map((path) => ({ path, manifest: manifestOf(path), integrity: integrityOf(path) }));
  const packages = new Map(entries.map((entry) => [entry.manifest.name, entry]));
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const entry = packages.get(decodeURIComponent(pathname.slice(1)));
    if (files.has(pathname)) createReadStream(files.get(pathname)).pipe(response);
    else if (entry) response.setHeader('content-type', 'application/json').end(JSON.stringify(packument(entry, url)));
    else response.writeHead(404).end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${server.address().port}/`;
  return { url, manifests: entries.map(({ manifest }) => manifest), close: () => server.close() };
}

function manifestOf(path) {
  // Some programs of this name take the colon of a Windows path for the end of a host's name.
  const options = { cwd: dirname(path), encoding: 'utf8' };
  return JSON.parse(execFileSync('tar', ['-xOzf', basename(path), 'package/package.json'], options));
}

function integrityOf(path) {
  return `sha512-${createHash('sha512').update(readFileSync(path)).digest('base64')}`;
}

/** A registry's answer about a package that has one version. */
function packument({ path, manifest, integrity }, url) {
  const version = { ...manifest, dist: { tarball: `${url}${basename(path)}`, integrity } };
  return { name: manifest.name, 'dist-tags': { latest: manifest.version }, versions: { [manifest.version]: version } };
}
