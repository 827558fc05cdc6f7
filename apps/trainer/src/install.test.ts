import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

test('a package installs from its tarball, and works in JavaScript and TypeScript', () => {
  const script = join('..', '..', 'scripts', 'install-test.mjs');
  const table = execFileSync(process.execPath, [script, '--short'], { encoding: 'utf8', stdio: 'pipe' });
  expect(table).toMatch(/^@ddpm\/schedules( +yes){5} *$/m);
});
