// Packs what is published together with the network of examples/custom-network, installs it all with npm into an empty
// folder, and there trains that network, kills it, resumes it and samples from it; then compares backends. Prints what
// it measures.
//   node scripts/swap-in-test.mjs [--steps 60]
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { npm } from './install/execute.mjs';
import { pack } from './install/pack.mjs';
import { serveTarballs } from './install/registry.mjs';
import { root, turbo } from './pnpm.mjs';

const { values } = parseArgs({ options: { steps: { type: 'string', default: '60' } } });
const steps = Number(values.steps);
const home = mkdtempSync(join(tmpdir(), 'ddpm-swap-in-'));
const folder = join(home, 'empty');
mkdirSync(folder);
const check = (held, what) => {
  console.log(`${held ? 'yes' : 'NO '}  ${what}`);
  if (!held) process.exitCode = 1;
};

turbo('build');
const folders = ['packages', 'apps', 'examples'].flatMap((group) =>
  readdirSync(join(root, group)).map((name) => join(root, group, name)),
);
const tarballs = pack(
  folders.filter((path) => existsSync(join(path, 'dist'))),
  join(home, 'tarballs'),
);
const registry = await serveTarballs(tarballs);
const env = { npm_config_cache: join(home, 'cache'), 'npm_config_@ddpm:registry': registry.url };
const dit = tarballs.find((path) => basename(path).startsWith('dit-denoiser'));
const begin = performance.now();
await npm(['install', '--no-audit', '--no-fund', '@ddpm/trainer', '@ddpm/sampler', dit], { cwd: folder, env });
registry.close();
console.log(`The apps and the network installed in ${((performance.now() - begin) / 1000).toFixed(0)} s.`);

const command = (app) => join(folder, 'node_modules', '@ddpm', app, 'dist', 'cli.js');
function succeed(app, ...args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [command(app), ...args], {
    cwd: folder,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${app} ${args.join(' ')}: exit code ${status}: ${stderr}`);
  return stdout;
}
const network = [
  '--network',
  'dit-denoiser',
  '--network-options',
  '{"dim": 32, "depth": 2}',
  '--dataset',
  'fashion-mnist-10k',
];
const settings = [
  ...network,
  '--timesteps',
  '20',
  '--batch-size',
  '8',
  '--learning-rate',
  '0.002',
  '--sample-every',
  '0',
];
const weights = (run) => readFileSync(join(folder, run, 'checkpoint.safetensors'));
const metrics = (run) =>
  readFileSync(join(folder, run, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

// Trained without a stop, and killed half way and resumed.
const whole = [...settings, '--steps', String(steps), '--checkpoint-every', '5'];
const said = succeed('trainer', ...whole, '--out', 'whole');
console.log(/Network: .*/.exec(said)[0]);
const losses = metrics('whole').map(({ loss }) => loss);
const mean = (numbers) => numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
const [first, last] = [mean(losses.slice(0, 5)), mean(losses.slice(-5))];
check(
  last < first,
  `the loss falls: ${first.toFixed(4)} in the first 5 steps, ${last.toFixed(4)} in the last 5 of ${steps}`,
);
await new Promise((done) => {
  const child = spawn(process.execPath, [command('trainer'), ...whole, '--out', 'killed', '--json'], { cwd: folder });
  child.stdout.on('data', (chunk) => {
    if (new RegExp(`"step":${Math.floor(steps / 2)}\\b`).test(chunk.toString())) child.kill('SIGKILL');
  });
  child.on('close', done);
});
const killedAfter = metrics('killed').length;
const resumed = succeed('trainer', '--resume', 'killed');
check(
  killedAfter < steps && weights('killed').equals(weights('whole')),
  `killed after ${killedAfter} steps, ${/Going on .*/.exec(resumed)[0].toLowerCase()}, with bit-identical weights at the end`,
);

// The same steps and the same images on each backend.
const { decodePng } = await import(
  pathToFileURL(join(folder, 'node_modules', '@ddpm', 'images', 'dist', 'png.js')).href
);
const pictures = (backend) => {
  const out = `images-${backend}`;
  succeed('sampler', 'whole', '--count', '4', '--format', 'png', '--backend', backend, '--out', out);
  const names = readdirSync(join(folder, out)).filter((name) => name.endsWith('.png'));
  return names.map((name) => decodePng(readFileSync(join(folder, out, name))).data);
};
const reference = pictures('compiled');
succeed('trainer', ...settings, '--steps', '5', '--backend', 'compiled', '--out', 'compiled');
for (const backend of ['wasm', 'cpu']) {
  succeed('trainer', ...settings, '--steps', '5', '--backend', backend, '--out', backend);
  const expected = metrics('compiled');
  const apart = (key) => Math.max(...metrics(backend).map((line, i) => Math.abs(line[key] / expected[i][key] - 1)));
  const [loss, norm] = [apart('loss'), apart('gradNorm')];
  check(
    loss < 1e-4 && norm < 1e-3,
    `5 steps on ${backend} and compiled: losses within ${loss.toExponential(1)}, gradient norms within ${norm.toExponential(1)}`,
  );
  const levels = Math.max(
    ...pictures(backend).flatMap((data, i) => Array.from(data, (value, k) => Math.abs(value - reference[i][k]))),
  );
  check(levels <= 2, `4 images on ${backend} and compiled: pixels within ${levels} of 255`);
}

// What a trainer must refuse.
writeFileSync(
  join(folder, 'forgetful.mjs'),
  `import makeDit from 'dit-denoiser';
import * as tf from '@tensorflow/tfjs-core';
export default (options) => {
  const dit = makeDit(options);
  return { dit, apply: (xt, t) => dit.apply(xt, tf.zerosLike(t)) };
};`,
);
const refused = spawnSync(process.execPath, [command('trainer'), ...settings, '--network', './forgetful.mjs'], {
  cwd: folder,
  encoding: 'utf8',
});
check(
  refused.status === 1 && refused.stderr.includes('ignores t'),
  `the same network without t is refused: ${refused.stderr.trim()}`,
);
rmSync(home, { recursive: true });
