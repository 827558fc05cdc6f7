// node scripts/install-test.mjs [--short] [--only PACKAGES] [--run RUN] [--screenshot FILE]: packs every package,
// installs the tarballs with npm into empty projects as their READMEs say, and uses them there: from ES modules and
// CommonJS, in strict TypeScript, in a page that Vite builds, and on the command line under several versions of Node.
// Prints package × consumer; the exit code is 1 if anything is red.
//   --short       @ddpm/schedules alone, which must be built, without a network
//   --only        these packages, such as @ddpm/mpi,@ddpm/text, and no apps and no page
//   --run         draw the page from this run's model, not from one that is hardly trained; --screenshot keeps a
//   picture of it
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { testApps, testNpx, testOffline } from './install/apps.mjs';
import { npm } from './install/execute.mjs';
import { testLibrary } from './install/library.mjs';
import { installNodes } from './install/nodes.mjs';
import { pack } from './install/pack.mjs';
import { pagePackages, testPage } from './install/page.mjs';
import { serveTarballs } from './install/registry.mjs';
import { install, root, turbo } from './pnpm.mjs';

const { values } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    only: { type: 'string' },
    run: { type: 'string' },
    screenshot: { type: 'string' },
  },
});
const only = values.short ? ['@ddpm/schedules'] : values.only?.split(',');
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

const rows = new Map();
const failures = [];
/** Runs a test, and notes what became of it in the table. */
async function cell(row, column, test) {
  if (!rows.has(row)) rows.set(row, {});
  try {
    await test();
    rows.get(row)[column] ??= 'yes';
  } catch (error) {
    rows.get(row)[column] = 'NO';
    failures.push(`${row}, ${column}: ${error.message}`);
  }
}

function printTable() {
  const columns = [
    'install',
    'import',
    'require',
    'NodeNext',
    'Bundler',
    'page',
    'train',
    'resume',
    'sample',
    'evaluate',
  ];
  const shown = columns.filter((column) => [...rows.values()].some((row) => row[column]));
  const width = Math.max(...[...rows.keys()].map((name) => name.length));
  console.log(['', ...shown].map((name, i) => (i === 0 ? ''.padEnd(width) : name)).join('  '));
  for (const [name, row] of rows)
    console.log([name.padEnd(width), ...shown.map((column) => (row[column] ?? '–').padEnd(column.length))].join('  '));
}

/** The contents of an installed project: its packages, and their files' sizes in bytes. */
function contents(project) {
  const modules = join(project, 'node_modules');
  const { packages } = JSON.parse(readFileSync(join(modules, '.package-lock.json'), 'utf8'));
  const files = readdirSync(modules, { recursive: true, withFileTypes: true }).filter(
    (entry) => entry.isFile() && entry.name !== '.package-lock.json',
  );
  return {
    packages: Object.keys(packages).length,
    bytes: files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0),
  };
}

const sources = new Map();
for (const parent of ['packages', 'apps']) {
  for (const folder of readdirSync(join(root, parent))) {
    const path = join(root, parent, folder);
    const { name, private: unpublished } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'));
    if (!unpublished && (!values.short || only.includes(name))) sources.set(name, path);
  }
}
const unknown = only?.filter((name) => !sources.has(name)) ?? [];
if (unknown.length > 0) throw new Error(`install-test: there is no package ${unknown.join(', ')}`);
if (!values.short) {
  install();
  turbo('check:package');
}
const folder = mkdtempSync(join(tmpdir(), 'ddpm-install-'));
const registry = await serveTarballs(pack([...sources.values()], join(folder, 'tarballs')));
const env = {
  npm_config_cache: join(folder, 'cache'),
  'npm_config_@ddpm:registry': registry.url,
  npm_config_audit: 'false',
  npm_config_fund: 'false',
  ...(values.short && { npm_config_registry: registry.url }),
};
try {
  const { found: nodes, missing } = values.short ? { found: new Map(), missing: [] } : await installNodes(folder, env);
  if (missing.length > 0) console.log(`There is no Node ${missing.join(', ')} for this machine on npm: not tested.`);
  nodes.set(process.versions.node, process.execPath);

  let olderTsc;
  if (!values.short) {
    mkdirSync(join(folder, 'typescript'));
    await npm(['install', 'typescript@5'], { cwd: join(folder, 'typescript'), env });
    olderTsc = join(folder, 'typescript', 'node_modules', 'typescript', 'bin', 'tsc');
  }

  for (const manifest of registry.manifests) {
    const source = sources.get(manifest.name);
    if (manifest.bin || (only && !only.includes(manifest.name))) continue;
    await testLibrary({
      manifest,
      source,
      folder,
      env,
      nodes: [...nodes.values()],
      olderTsc,
      cell: (...args) => cell(manifest.name, ...args),
    });
  }
  if (!only || only.includes('@ddpm/schedules'))
    await cell('@ddpm/schedules', 'install', () => {
      const { packages, bytes } = contents(join(folder, 'schedules'));
      console.log(`@ddpm/schedules installs as ${packages} package of ${(bytes / 1000).toFixed(1)} kB.`);
      assert.ok(packages === 1 && bytes < 50_000, 'it should be one package under 50 kB');
    });

  if (!only) {
    const trained = await testApps({ folder, env, nodes, cell });
    await testNpx({ folder, env, cell });
    const scripts = await testOffline({ folder, env, cell });
    console.log(`Install scripts that ran without a network: ${scripts.join(', ')}.`);
    if (existsSync(executablePath)) {
      const drawn = testPage({
        folder,
        env,
        executablePath,
        run: resolve(values.run ?? trained),
        screenshot: values.screenshot,
      });
      for (const name of pagePackages) await cell(name, 'page', () => drawn);
    } else console.log(`There is no browser at ${executablePath} (CHROMIUM): the page is not tested.`);
  }
} finally {
  registry.close();
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
}
printTable();
for (const failure of failures) console.error(`\n${failure}`);
if (failures.length > 0) process.exitCode = 1;
