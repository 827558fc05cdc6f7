// npm test: sets everything up, then builds, lints, type-checks and tests every package, and ends with the sum of the
// tests.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { install, root, turbo } from './pnpm.mjs';

const workspace = ['packages', 'apps', 'examples'].filter((folder) => existsSync(join(root, folder)));
const packages = [
  ...workspace.flatMap((folder) => readdirSync(join(root, folder)).map((name) => join(root, folder, name))),
  join(root, 'benchmarks'),
];
const resultsOf = (path) => join(path, '.test-results.json');

install();
for (const path of packages) rmSync(resultsOf(path), { force: true });
process.on('exit', () => {
  const sum = { passed: 0, failed: 0, skipped: 0 };
  for (const path of packages) {
    try {
      const { numPassedTests, numFailedTests, numPendingTests, numRuntimeErrorTestSuites } = JSON.parse(
        readFileSync(resultsOf(path), 'utf8'),
      );
      sum.passed += numPassedTests;
      sum.failed += numFailedTests + numRuntimeErrorTestSuites;
      sum.skipped += numPendingTests;
    } catch {
      // A package whose tests did not run has no results; turbo has said why.
    }
  }
  console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
});
turbo('lint', 'typecheck', 'test', '--continue');
