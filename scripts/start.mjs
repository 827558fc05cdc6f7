// npm start: sets everything up, trains a first model and samples from it. Options go to the trainer: npm start --
// --steps 50
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { install, root, run, turbo } from './pnpm.mjs';

const options = process.argv.slice(2);
const has = (...names) => options.some((option) => names.includes(option.split('=')[0]));
/** The value of an option, given as --name value or --name=value. */
function value(name) {
  const at = options.findIndex((option) => option.split('=')[0] === name);
  return at < 0 ? undefined : options[at].includes('=') ? options[at].slice(name.length + 1) : options[at + 1];
}
const app = (name, ...args) => run(process.execPath, [join(root, 'apps', name, 'dist', 'cli.js'), ...args]);

function firstFree() {
  let number = 1;
  while (existsSync(join(root, 'runs', `first-${number}`))) number++;
  return join('runs', `first-${number}`);
}

install();
turbo('build', '--filter=@ddpm/trainer...', '--filter=@ddpm/sampler...');

const resumed = value('--resume');
const out = resumed ?? value('--out') ?? firstFree();
if (resumed === undefined && !has('--preset', '--config')) options.unshift('--preset', 'quick');
if (resumed === undefined && !has('--out')) options.push('--out', out);
app('trainer', ...options);
if (!has('--help', '-h', '--dry-run')) app('sampler', out, '--backend', value('--backend') ?? 'auto');
