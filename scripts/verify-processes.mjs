// Trains, draws and measures with 1, 2, 3 and 4 processes of one machine, by whatever mpirun is on PATH: the weights must
// be the same bits for any number of them, and when their number changes; images and measures must be those of one
// process; and whatever breaks must end the whole run with one line, the last checkpoint kept. For a person to run, in a
// built workspace; it ends in a few minutes.
//   node scripts/verify-processes.mjs
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { encodePng } from '../packages/images/dist/png.js';
import { environment, installed, processes } from '../packages/mpi/test/mpirun.mjs';
import { root } from './pnpm.mjs';

if (installed === undefined) {
  console.error('There is no mpirun of Open MPI or MPICH on PATH.');
  process.exit(1);
}
const folder = mkdtempSync(join(tmpdir(), 'ddpm-processes-'));
/** The trainer of another version: it must lie where it finds what it imports. */
const other = join(root, 'apps/trainer/dist/other.js');
const app = (name) => join(root, 'apps', name, 'dist/cli.js');

for (const [name, step] of Object.entries({ images: 3, 'elsewhere/images': 4 })) {
  mkdirSync(join(folder, name), { recursive: true });
  for (let i = 0; i < 600; i++) {
    const data = Uint8Array.from({ length: 16 }, (_, k) => (k * (i + step) * 5 + i) % 256);
    writeFileSync(join(folder, name, `${i}.png`), encodePng({ width: 4, height: 4, channels: 1, data }));
  }
}
const network = ['--dataset', 'folder', '--dim', '8', '--dim-mults', '1,2', '--timesteps', '6', '--batch-size', '513'];
const often = [
  '--sample-every',
  '0',
  '--validation',
  '0',
  '--checkpoint-every',
  '2',
  '--quiet',
  '--backend',
  'compiled',
];
const settings = [...network, '--data-dir', 'images', ...often];

const commandOf = (count, args) =>
  count === 1 ? [process.execPath, args] : ['mpirun', [...processes(count), process.execPath, ...args]];
const options = { cwd: folder, encoding: 'utf8', env: environment };
/** Runs a program by so many processes, to its end. */
function run(count, ...args) {
  const { status, stdout, stderr } = spawnSync(...commandOf(count, args), options);
  return { status, stdout, own: stderr.split(/[\r\n]+/).filter((line) => /^ddpm-/.test(line)), stderr };
}
const train = (count, ...args) => run(count, app('trainer'), ...args);
function must(result) {
  if (result.status !== 0) throw new Error(result.stderr);
  return result;
}
const short = (bytes) => createHash('sha256').update(bytes).digest('hex').slice(0, 12);
const weights = (name) => short(readFileSync(join(folder, name, 'checkpoint.safetensors')));
const checkpoints = (name) => {
  try {
    return readdirSync(join(folder, name, 'checkpoints')).length;
  } catch {
    return 0;
  }
};

let failures = 0;
function check(right, line) {
  if (!right) failures++;
  console.log(`${right ? 'ok' : 'FAILED'}: ${line}`);
}
const same = (values) => new Set(values).size === 1;

/** Begins a long run by three processes, does something to it when it has a checkpoint, and says how it ended. */
async function struck(what, name, strike) {
  const args = [app('trainer'), ...settings, '--steps', '100000', '--out', name];
  const child = spawn(...commandOf(3, args), options);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const ended = new Promise((done) => child.on('close', done));
  for (let i = 0; i < 1200 && checkpoints(name) === 0 && child.exitCode === null; i++) await setTimeout(100);
  const before = performance.now();
  await strike(child, name);
  await Promise.race([ended, setTimeout(60_000)]);
  const seconds = ((performance.now() - before) / 1000).toFixed(1);
  const hung = child.exitCode === null && child.signalCode === null;
  child.kill('SIGKILL');
  const lines = output.split(/[\r\n]+/).filter((line) => /^ddpm-/.test(line));
  check(
    !hung && child.exitCode !== 0 && checkpoints(name) > 0 && lines.length <= 1,
    `${what}: ended after ${seconds} s with ${checkpoints(name)} checkpoints and ${lines.length > 0 ? lines[0] : "the launcher's own words"}`,
  );
}

try {
  const counts = [1, 2, 3, 4];
  for (const count of counts) must(train(count, ...settings, '--steps', '4', '--out', `by-${count}`));
  const hashes = counts.map((count) => weights(`by-${count}`));
  check(same(hashes), `weights after 4 steps by ${counts.map((count, i) => `${count}: ${hashes[i]}`).join(', ')}`);
  for (const [first, second] of [
    [4, 1],
    [1, 3],
    [3, 2],
  ]) {
    const name = `from-${first}-to-${second}`;
    must(train(first, ...settings, '--steps', '2', '--out', name));
    must(train(second, '--resume', name, '--steps', '4', '--quiet'));
    check(weights(name) === hashes[0], `begun by ${first}, gone on with by ${second} after 2 steps: ${weights(name)}`);
  }

  const pictures = (count) => {
    const out = `drawn-${count}`;
    must(run(count, app('sampler'), 'by-1', '--count', '10', '--backend', 'compiled', '--out', out));
    const files = readdirSync(join(folder, out), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.png')); // prettier-ignore
    return short(Buffer.concat(files.sort().map((file) => readFileSync(join(folder, out, file)))));
  };
  const drawn = [1, 3].map(pictures);
  check(same(drawn), `10 images drawn by 1 process and by 3: ${drawn.join(', ')}`);
  const bits = [1, 3].map((count) => {
    const { stdout } = must(run(count, app('evaluator'), 'by-1', '--bits-per-dim', '10', '--backend', 'compiled'));
    return /[\d.]+ bits[^\n]*|\| *by-1[^\n]*/.exec(stdout)?.[0] ?? stdout;
  });
  check(same(bits), `bits per dimension measured by 1 process and by 3: ${bits[0].trim()}`);

  // The second process has something else than the first.
  const differently = (what, change, name = 'trainer', args = [...settings, '--steps', '2', '--out', 'none']) => {
    const own = join(folder, `${what.replaceAll(' ', '-')}.mjs`);
    const rank = 'process.env.OMPI_COMM_WORLD_RANK ?? process.env.PMI_RANK';
    const begin = [
      `let program = ${JSON.stringify(app(name))};`,
      `if ((${rank}) === '1') { ${change} }`,
      'process.argv[1] = program;',
      'await import(program);',
    ];
    writeFileSync(own, begin.join('\n'));
    const { status, own: lines } = run(2, own, ...args);
    check(status !== 0 && lines.length === 1 && checkpoints('none') === 0, `${what}: ${lines.join(' | ')}`);
  };
  differently('other images', "process.chdir('elsewhere');");
  writeFileSync(other, `${readFileSync(app('trainer'), 'utf8')}\n// Another.\n`);
  differently('another version', `program = ${JSON.stringify(other)};`);
  differently('another configuration', "process.argv.push('--seed', '5');");
  // A stage of a cascade alike, and of another base.
  const adm = { modelChannels: 8, channelMult: [1], numResBlocks: 1, attentionResolutions: [], groups: 4 };
  const own = ['--network-options', JSON.stringify(adm), '--timesteps', '6', '--steps', '2', '--batch-size', '64'];
  const stage = ['--task', 'super-resolution', '--from-size', '2', '--dataset', 'folder', '--data-dir', 'images'];
  must(train(1, ...stage, ...own, ...often, '--out', 'stage'));
  cpSync(join(folder, 'stage'), join(folder, 'elsewhere/stage'), { recursive: true });
  const small = [...settings, '--dim-mults', '1', '--image-size', '2', '--steps', '2'];
  for (const [seed, out] of ['base', 'elsewhere/base'].entries())
    must(train(1, ...small, '--seed', `${seed}`, '--out', out));
  differently('another base', "process.chdir('elsewhere');", 'sampler', ['stage', '--base', 'base', '--out', 'none']);

  await struck('Ctrl-C', 'stopped', (child) => void child.kill('SIGINT'));
  await struck('SIGKILL of a process', 'killed', (_, name) => {
    const found = spawnSync('pgrep', ['-f', `^${process.execPath} .*--out ${name}$`], { encoding: 'utf8' }).stdout;
    process.kill(Number(found.trim().split('\n').at(-1)), 'SIGKILL');
  });
} finally {
  rmSync(folder, { recursive: true, force: true });
  rmSync(other, { force: true });
}
process.exitCode = failures > 0 ? 1 : 0;
