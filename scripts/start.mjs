// npm start: sets everything up, trains a first model and samples from it. Options go to the trainer: npm start -- --steps 50
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { install, root, run, turbo } from './pnpm.mjs';

const options = process.argv.slice(2);
const node = (app, ...args) => run(process.execPath, [join(root, 'apps', app, 'dist', 'cli.js'), ...args]);

install();
turbo('build', '--filter=@ddpm/trainer...', '--filter=@ddpm/sampler...');

if (options.includes('--help') || options.includes('-h')) {
  node('trainer', ...options);
} else {
  const given = options.indexOf('--out');
  let out = given >= 0 ? options[given + 1] : options.find((option) => option.startsWith('--out='))?.slice('--out='.length);
  const preset = options.some((option) => /^--preset(=|$)/.test(option)) ? [] : ['--preset', 'quick'];
  if (out === undefined) {
    let number = 1;
    while (existsSync(join(root, 'runs', `first-${number}`))) number++;
    out = join('runs', `first-${number}`);
    options.push('--out', out);
  }
  node('trainer', ...preset, ...options);
  const backend = options.indexOf('--backend');
  node('sampler', out, ...(backend >= 0 ? options.slice(backend, backend + 2) : []));
}
