// Checks the package in the current folder as it would be published: its manifest (publint) and how its types resolve
// (attw).
import { readFileSync } from 'node:fs';
import { run } from './pnpm.mjs';

const options = { cwd: process.cwd(), shell: process.platform === 'win32' };
run('publint', ['--strict'], options);
// An app has no types.
if (JSON.parse(readFileSync('package.json', 'utf8')).exports)
  run('attw', ['--pack', '.', '--profile', 'esm-only', '--quiet'], options);
