// Shared by the scripts that make the tables of these pages.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Runs the trainer, sampler or evaluator of this repository, which must be built; its lines go to the error stream. */
export function run(name, ...args) {
  const app = fileURLToPath(new URL(`../apps/${name}/dist/cli.js`, import.meta.url));
  const { status } = spawnSync(process.execPath, [app, ...args], { stdio: ['ignore', 2, 2] });
  if (status !== 0) throw new Error(`${name} ${args.join(' ')} ended with ${status}`);
}

/** Trains a run into a folder, or to its end what was begun there. */
export function trained(folder, ...options) {
  if (existsSync(join(folder, 'checkpoint.safetensors'))) run('trainer', '--resume', folder);
  else run('trainer', ...options, '--out', folder);
  return folder;
}

/** The results that a run folder holds in a file. */
export function resultsOf(folder, file = 'evaluation.json') {
  const path = join(folder, file);
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : [];
}

const row = (cells) => console.log(`| ${cells.join(' | ')} |`);

/** Prints a table in Markdown. */
export function table(headings, rows) {
  row(headings);
  row(headings.map(() => '---'));
  rows.forEach(row);
}

/** A share in percent; a dash where there is none. */
export const percent = (share) => (share === undefined ? '–' : `${Math.round(100 * share)} %`);

/** A kernel distance with its standard error. */
export const kid = ({ value, error }) => `${value.toFixed(3)} ± ${error.toFixed(3)}`;
