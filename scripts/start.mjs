// npm start: sets everything up, shows what the pretrained model draws, trains a first model and samples from it.
// Options go to the trainer: npm start -- --steps 50
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { install, root, run, turbo } from './pnpm.mjs';

const options = process.argv.slice(2);
const has = (...names) => options.some((option) => names.includes(option.split('=')[0]));
/** The value of an option, given as --name value or --name=value. */
function value(name) {
  const at = options.findIndex((option) => option.split('=')[0] === name);
  return at < 0 ? undefined : options[at].includes('=') ? options[at].slice(name.length + 1) : options[at + 1];
}
const app = (name, ...args) => run(process.execPath, [join(root, 'apps', name, 'dist', 'cli.js'), ...args]);

/** The first folder of a name and a number that is not there. */
function firstFree(prefix) {
  let number = 1;
  while (existsSync(resolve(root, `${prefix}-${number}`))) number++;
  return `${prefix}-${number}`;
}

install();
// Nothing here reads declarations of types, which take most of a build's time; whoever has some keeps them.
const declared = existsSync(join(root, 'packages', 'random', 'dist', 'index.d.ts'));
const apps = ['--filter=@ddpm/trainer...', '--filter=@ddpm/sampler...'];
turbo('build', ...apps, ...(declared ? [] : ['--', '--no-dts']));

const backend = ['--backend', value('--backend') ?? 'auto'];
const draws = !has('--help', '-h', '--dry-run');
// The pretrained model is of what a first run learns where nothing else is asked for.
const beside = draws && !has('--preset', '--config', '--resume', '--dataset', '--task');
const pretrained = join('runs', 'pretrained');
if (beside && !existsSync(join(root, pretrained, 'grid.png'))) {
  console.log('What is possible, by a model that was trained for an hour:');
  app('sampler', '--pretrained', 'fashion-mnist', '--format', 'grid', '--out', pretrained, ...backend);
  console.log('What this machine learns in some minutes:');
}

const resumed = value('--resume');
const out = resumed ?? value('--out') ?? firstFree(join('runs', 'first'));
if (resumed === undefined && !has('--preset', '--config')) options.unshift('--preset', 'quick');
if (resumed === undefined && !has('--out')) options.push('--out', out);
app('trainer', ...options);
if (draws) {
  const samples = firstFree(join(out, 'samples'));
  app('sampler', out, '--out', samples, ...backend);
  if (beside) {
    const { imageGrid } = await import('../packages/images/dist/index.js');
    const { decodePng, encodePng } = await import('../packages/images/dist/png.js');
    const grids = [samples, pretrained].map((folder) => decodePng(readFileSync(resolve(root, folder, 'grid.png'))));
    const path = join(samples, 'beside-pretrained.png');
    writeFileSync(resolve(root, path), encodePng(imageGrid(grids, { columns: 2, padding: 8, background: 255 })));
    console.log(`Beside each other, what was just trained on the left: ${path}`);
  }
}
