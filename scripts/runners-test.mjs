// node scripts/runners-test.mjs: packs what a program imports, installs it with npm beside jest, vitest and esbuild,
// and runs one program (scripts/runners/use.mjs) in a test of jest, in every pool of vitest, and in bundles. Prints a
// line for each; the exit code is 1 if one fails.
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execute, npm } from './install/execute.mjs';
import { pack } from './install/pack.mjs';
import { serveTarballs } from './install/registry.mjs';
import { root, turbo } from './pnpm.mjs';

const used = ['@ddpm/checkpoint', '@ddpm/compile', '@ddpm/layers', '@ddpm/random', '@tensorflow/tfjs@4.22.0'];
const runners = ['jest@30.5.2', 'vitest@4.1.12', 'esbuild@0.27.7'];

const folder = mkdtempSync(join(tmpdir(), 'ddpm-runners-'));
const project = join(folder, 'project');
/** Where a program would leave what it keeps of its user. */
const home = join(folder, 'home');
async function check(what, test) {
  try {
    await test();
    console.log(`yes  ${what}`);
  } catch ({ message }) {
    console.log(`NO   ${what}\n${message}`);
    process.exitCode = 1;
  }
}

try {
  turbo('build');
  const tarballs = pack(
    readdirSync(join(root, 'packages')).map((name) => join(root, 'packages', name)),
    join(folder, 'tarballs'),
  );
  for (const path of [project, home]) mkdirSync(path);
  cpSync(join(root, 'scripts', 'runners'), project, { recursive: true });
  // A second file, so that one process holds two realms.
  for (const runner of ['jest', 'vitest'])
    copyFileSync(join(project, `${runner}.test.mjs`), join(project, `again.${runner}.test.mjs`));
  writeFileSync(join(project, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  writeFileSync(
    join(project, 'jest.config.mjs'),
    `export default { testMatch: ['**/*jest.test.mjs'], moduleFileExtensions: ['mjs', 'js', 'cjs', 'json', 'node'], transform: {} };\n`,
  );
  writeFileSync(
    join(project, 'vitest.config.mjs'),
    `export default { test: { include: ['*vitest.test.mjs'], testTimeout: 60_000 } };\n`,
  );
  const registry = await serveTarballs(tarballs);
  const env = { npm_config_cache: join(folder, 'cache'), 'npm_config_@ddpm:registry': registry.url };
  await npm(['install', '--no-audit', '--no-fund', ...used, ...runners], { cwd: project, env });
  registry.close();

  const atHome = { HOME: home, USERPROFILE: home, XDG_CACHE_HOME: home, LOCALAPPDATA: home };
  const options = { cwd: project, env: { ORT_DISABLE_TELEMETRY: undefined, CI: '1', ...atHome } };
  const node = (...args) => execute('node', args, options);
  const bin = (name, path) => join(project, 'node_modules', name, path);

  await check('node', () => node('main.mjs'));
  await check('jest', () =>
    node('--experimental-vm-modules', bin('jest', 'bin/jest.js'), '--runInBand', '--testTimeout=60000'),
  );
  for (const pool of ['threads', 'forks', 'vmThreads', 'vmForks'])
    await check(`vitest, ${pool}`, () => node(bin('vitest', 'vitest.mjs'), 'run', `--pool=${pool}`, '--maxWorkers=1'));

  const bundle = async (format, ...flags) => {
    const file = join('bundles', `${format}${flags.length}.${format === 'esm' ? 'mjs' : 'cjs'}`);
    const from = [
      'main.mjs',
      '--bundle',
      '--platform=node',
      '--log-level=error',
      `--format=${format}`,
      `--outfile=${file}`,
    ];
    await execute(bin('.bin', 'esbuild'), [...from, ...flags], { ...options, shell: process.platform === 'win32' });
    await node(file);
  };
  // What tfjs itself needs in a bundle of ES modules.
  const require =
    "--banner:js=import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";
  await check('esbuild, cjs', () => bundle('cjs'));
  await check('esbuild, esm', () => bundle('esm', require));
  for (const format of ['cjs', 'esm']) {
    await check(`esbuild, ${format}, packages outside`, () => bundle(format, '--packages=external', '--log-limit=0'));
  }
  await check('a bundle where nothing is installed says what it lacks', async () => {
    const file = join(home, 'alone.cjs');
    cpSync(join(project, 'bundles', 'cjs0.cjs'), file);
    const said = await node(file).catch(({ message }) => message);
    rmSync(file);
    if (!/^Error: @ddpm\/compile is not installed beside .*alone\.cjs: /m.test(said)) throw new Error(said);
  });
  await check('nothing is left in the home folder', () => {
    const left = readdirSync(home);
    if (left.length > 0) throw new Error(left.join(', '));
  });
} finally {
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
}
