// Runs the tests of the package in the current folder and leaves their counts in .test-results.json.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';

const jest = createRequire(import.meta.url).resolve('jest/bin/jest');
const flags = ['--runInBand', '--passWithNoTests', '--json', '--outputFile=.test-results.json'];
const { status } = spawnSync(
  process.execPath,
  ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', jest, ...flags, ...process.argv.slice(2)],
  {
    // Jest prints its JSON on standard output as well; the readable report goes to standard error.
    stdio: ['inherit', 'ignore', 'inherit'],
    // Within Jest, @ddpm/compile changes only a copy of the environment.
    env: { ORT_DISABLE_TELEMETRY: '1', ...process.env },
  },
);
process.exit(status ?? 1);
