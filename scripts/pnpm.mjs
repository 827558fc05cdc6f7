// Runs the pinned pnpm, from node_modules where it is installed and through npm otherwise, so that Node and npm are
// enough.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const windows = process.platform === 'win32';

/** Runs a command in the repository root with node_modules/.bin on PATH; ends this process if it fails. */
export function run(command, args, options = {}) {
  const path = [join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter);
  const env = { ...process.env, PATH: path, TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1' };
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', env, ...options });
  if (error) {
    console.error(`${command}: ${error.message}`);
    process.exit(1);
  }
  if (status !== 0) process.exit(status ?? 1);
}

/** Runs the pinned pnpm. */
export function pnpm(...args) {
  // npm and pnpm are .cmd files on Windows, which only a shell starts.
  if (existsSync(join(root, 'node_modules', 'pnpm'))) run('pnpm', args, { shell: windows });
  else
    run('npm', ['exec', '--yes', '--prefer-offline', `--package=${manifest.packageManager}`, '--', 'pnpm', ...args], {
      shell: windows,
    });
}

/** Installs what the lockfile fixes; quick when there is nothing to do. */
export function install() {
  pnpm('install', '--frozen-lockfile', '--prefer-offline', '--silent');
}

/** Runs turbo tasks over the workspace, as many at a time as there are processors. */
export function turbo(...args) {
  run('turbo', ['run', '--concurrency=100%', '--output-logs=errors-only', ...args], { shell: windows });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) pnpm(...process.argv.slice(2));
