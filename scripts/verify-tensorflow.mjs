// Builds TensorFlow.js's native addon against the library inside TensorFlow's Python wheel, and trains, resumes and
// samples on it. For a person to run, on Linux: it needs Python with pip, g++, and 2 GB of disk, and no GPU. The
// packages themselves need none of these.
//   node scripts/verify-tensorflow.mjs [--scratch FOLDER] [--python python3] [--wheel tensorflow-cpu==2.18.1] [--rounds
//   3] [--backends compiled,tfjs-node] --scratch     a folder to build in; what an earlier run left there is used
//   again. By default a temporary one, which is removed --rounds      how often each of --backends is timed; 0 for not
//   at all
import { spawn, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { pack } from './install/pack.mjs';
import { serveTarballs } from './install/registry.mjs';
import { root, turbo } from './pnpm.mjs';

const { values } = parseArgs({
  options: {
    scratch: { type: 'string' },
    python: { type: 'string', default: 'python3' },
    wheel: { type: 'string', default: 'tensorflow-cpu==2.18.1' },
    rounds: { type: 'string', default: '3' },
    backends: { type: 'string', default: 'compiled,tfjs-node' },
  },
});
const scratch = values.scratch ? resolve(values.scratch) : mkdtempSync(join(tmpdir(), 'ddpm-tensorflow-'));
const project = join(scratch, 'project');
const modules = join(project, 'node_modules');
const [site, addon] = [join(scratch, 'site'), join(scratch, 'tfjs_binding.node')];
const tensorflow = join(site, 'tensorflow');
const headers = resolve(process.execPath, '..', '..', 'include', 'node');
const rounds = Number(values.rounds);
mkdirSync(project, { recursive: true });
// TensorFlow's own lines are not shown.
process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';

/** Ends the whole with one line. */
class Failure extends Error {}

/** Runs a program to its end, without blocking this one; what it printed. */
function execute(what, program, args, { cwd = project, env = {} } = {}) {
  return new Promise((done, fail) => {
    const child = spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk) => (stdout += chunk));
    child.stderr.on('data', (chunk) => (stderr += chunk));
    child.on('error', (error) =>
      fail(new Failure(`${what}: ${error.code === 'ENOENT' ? `there is no ${program}` : error.message}`)),
    );
    child.on('close', (code, signal) => {
      if (code === 0) return done(stdout);
      const lines = `${stdout}\n${stderr}`.split('\n').filter((line) => line.trim() !== '');
      const telling = lines.findLast((line) => /error/i.test(line)) ?? lines.at(-1) ?? 'it said nothing';
      fail(new Failure(`${what}: ${program} ended with ${signal ?? `exit code ${code}`}: ${telling.trim()}`));
    });
  });
}

const node = (what, args, options) => execute(what, process.execPath, args, options);
const check = (held, what) => {
  console.log(`${held ? 'yes' : 'NO '}  ${what}`);
  if (!held) process.exitCode = 1;
};

/** The packages of this repository and tfjs-node in a project, as npm installs them for anyone. */
async function installPackages() {
  turbo('build', '--filter=./packages/*', '--filter=./apps/*');
  const folders = ['packages', 'apps'].flatMap((group) =>
    readdirSync(join(root, group)).map((name) => join(root, group, name)),
  );
  const published = folders.filter((path) => {
    const manifest = join(path, 'package.json');
    return existsSync(manifest) && !JSON.parse(readFileSync(manifest, 'utf8')).private;
  });
  const tarballs = join(scratch, 'tarballs');
  // They have the version that they had the last time, with other contents.
  for (const path of [tarballs, join(modules, '@ddpm'), join(project, 'package-lock.json'), join(scratch, 'cache')]) {
    rmSync(path, { recursive: true, force: true });
  }
  const registry = await serveTarballs(pack(published, tarballs));
  const env = { npm_config_cache: join(scratch, 'cache'), 'npm_config_@ddpm:registry': registry.url };
  try {
    writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }\n');
    const wanted = ['@ddpm/trainer', '@ddpm/sampler', '@tensorflow/tfjs-node@4.22.0'];
    await execute(
      'Installing the packages',
      'npm',
      ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...wanted],
      { env },
    );
  } finally {
    registry.close();
    rmSync(join(scratch, 'cache'), { recursive: true, force: true });
  }
}

/** Says what is missing at once, rather than after a download. */
async function checkTools() {
  if (process.platform !== 'linux')
    throw new Failure(`it needs Linux, whose wheels hold the library; this is ${process.platform}`);
  if (!Number.isInteger(rounds) || rounds < 0)
    throw new Failure(`--rounds must be a whole number of at least 0, got '${values.rounds}'`);
  if (!existsSync(tensorflow)) await execute('Looking for pip', values.python, ['-m', 'pip', '--version']);
  if (existsSync(addon)) return;
  await execute('Looking for a compiler', 'g++', ['--version']);
  if (!existsSync(headers))
    throw new Failure(`Node's headers are not at ${headers}: use a Node from its archive, which has them`);
}

/**
 * Builds what tfjs-node's install script would download: TensorFlow's library, here that of the wheel, and the addon
 * that calls it.
 */
async function buildAddon() {
  if (!existsSync(tensorflow)) {
    await execute('Downloading TensorFlow', values.python, [
      '-m',
      'pip',
      'install',
      '--quiet',
      '--no-deps',
      `--target=${site}`,
      values.wheel,
    ]);
  }
  const source = join(modules, '@tensorflow', 'tfjs-node');
  if (!existsSync(addon)) {
    const libraries = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'];
    const missing = libraries.find((name) => !existsSync(join(tensorflow, name)));
    if (missing) throw new Failure(`${values.wheel} has no ${missing}: use a wheel from 2.12 to 2.21`);
    const files = ['tfjs_backend.cc', 'tfjs_binding.cc'].map((name) => join(source, 'binding', name));
    await execute('Building the addon', 'g++', [
      ...[
        '-shared',
        '-fPIC',
        '-O2',
        '-std=c++17',
        '-DNAPI_VERSION=8',
        `-I${headers}`,
        `-I${join(tensorflow, 'include')}`,
        ...files,
      ],
      ...['-o', addon, `-L${tensorflow}`, ...libraries.map((name) => `-l:${name}`), `-Wl,-rpath,${tensorflow}`],
    ]);
  }
  const folder = join(source, 'lib', 'napi-v8');
  mkdirSync(folder, { recursive: true });
  copyFileSync(addon, join(folder, 'tfjs_binding.node'));
}

/** The tests of these packages, on this backend. Where Jest looks for packages, it looks into NODE_PATH too. */
async function testPackages() {
  const jest = createRequire(import.meta.url).resolve('jest/bin/jest');
  const env = { DDPM_TEST_BACKEND: 'tfjs-node', NODE_PATH: modules };
  const flags = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', jest, '--runInBand', '--json'];
  const patterns = { backend: ['kernels/', 'training.test'], layers: [], unet: [], diffusion: [] };
  for (const [name, pattern] of Object.entries(patterns)) {
    const args = [
      ...flags,
      '--testPathIgnorePatterns',
      'readme',
      'tensorflow/',
      '--testPathPatterns',
      ...(pattern.length ? pattern : ['.']),
    ];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, {
      cwd: join(root, 'packages', name),
      env: { ...process.env, ...env },
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
    });
    const start = stdout.indexOf('{"');
    if (start < 0) throw new Failure(`Testing ${name}: Jest ended with ${status}: ${stderr.trim().split('\n').at(-1)}`);
    const { numPassedTests: passed, numFailedTests: failed, testResults } = JSON.parse(stdout.slice(start));
    const broken = testResults.flatMap(({ assertionResults, message }) => {
      const tests = assertionResults.filter((result) => result.status === 'failed').map(({ fullName }) => fullName);
      return assertionResults.length === 0 ? [message.split('\n', 1)[0]] : tests;
    });
    check(
      status === 0,
      `${passed} tests of ${name} passed on tfjs-node, ${failed} failed${broken.map((test) => `\n     ${test}`).join('')}`,
    );
  }
}

/** Tensors and their bytes after each of 500 steps of a small U-Net. */
async function countTensors() {
  const file = join(project, 'steady.mjs');
  writeFileSync(
    file,
    `import { prepareBackend } from '@ddpm/backend';
import { namedParameters } from '@ddpm/layers';
import { Unet } from '@ddpm/unet';
import * as tf from '@tensorflow/tfjs';
await prepareBackend('tfjs-node');
const unet = new Unet({ dim: 8, dimMults: [1, 2], channels: 1 });
const [x, t] = [tf.randomNormal([4, 8, 8, 1]), tf.tensor1d([1, 5, 9, 13], 'int32')];
const optimizer = tf.train.adam(1e-3);
const counts = new Set(), resident = {};
for (let step = 1; step <= 500; step++) {
  optimizer.minimize(() => tf.mean(tf.square(tf.sub(unet.apply(x, t), x))), false, [...namedParameters(unet).values()]);
  const { numTensors, numBytes } = tf.memory();
  if (step > 1) counts.add(numTensors + ' tensors, ' + numBytes + ' bytes');
  if (step === 100 || step === 500) resident[step] = Math.round(process.memoryUsage.rss() / 2 ** 20);
}
console.log(JSON.stringify({ counts: [...counts], resident }));`,
  );
  const { counts, resident } = JSON.parse(await node('Training 500 steps', [file]));
  check(
    counts.length === 1,
    `after each of 500 steps there were ${counts.join(' or ')}; resident ${resident[100]} MB after 100, ${resident[500]} MB after 500`,
  );
}

const cli = (app) => join(modules, '@ddpm', app, 'dist', 'cli.js');
const train = (...args) => node(`ddpm-train ${args.join(' ')}`, [cli('trainer'), ...args]);
const metrics = (run) => readFileSync(join(project, run, 'metrics.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line)); // prettier-ignore
const weights = (run) => readFileSync(join(project, run, 'checkpoint.safetensors'));

/** 50 steps of the tutorial's network beside compiled's, a run that is killed, and images of both. */
async function trainResumeSample() {
  for (const run of ['whole', 'compiled', 'killed', 'images-tfjs-node', 'images-compiled'])
    rmSync(join(project, run), { recursive: true, force: true });
  const settings = [
    '--dataset',
    'fashion-mnist-10k',
    '--batch-size',
    '16',
    '--steps',
    '50',
    '--sample-every',
    '0',
    '--checkpoint-every',
    '10',
  ];
  await train(...settings, '--backend', 'tfjs-node', '--out', 'whole');
  await train(...settings, '--backend', 'compiled', '--out', 'compiled');
  const expected = metrics('compiled');
  const apart = Math.max(...metrics('whole').map(({ loss }, i) => Math.abs(loss / expected[i].loss - 1)));
  check(
    apart < 1e-4,
    `50 steps of training on tfjs-node and compiled: losses within ${apart.toExponential(1)} of each other`,
  );

  await new Promise((done) => {
    const args = [cli('trainer'), ...settings, '--backend', 'tfjs-node', '--out', 'killed', '--json'];
    const child = spawn(process.execPath, args, { cwd: project, stdio: ['ignore', 'pipe', 'ignore'] });
    child.stdout.on('data', (chunk) => {
      if (/"step":25\b/.test(chunk.toString())) child.kill('SIGKILL');
    });
    child.on('close', done);
  });
  const killedAfter = metrics('killed').length;
  await train('--resume', 'killed');
  const same = weights('killed').equals(weights('whole'));
  check(
    killedAfter < 50 && same,
    `killed after ${killedAfter} steps and resumed, the run ends ${same ? 'with' : 'without'} the same bits`,
  );

  const { decodePng } = await import(pathToFileURL(join(modules, '@ddpm', 'images', 'dist', 'png.js')).href);
  const pictures = async (backend) => {
    const args = ['whole', '--count', '4', '--format', 'png', '--backend', backend, '--out', `images-${backend}`];
    await node(`ddpm-sample ${args.join(' ')}`, [cli('sampler'), ...args]);
    const folder = join(project, `images-${backend}`);
    return readdirSync(folder).map((name) => decodePng(readFileSync(join(folder, name))).data);
  };
  const [ours, theirs] = [await pictures('compiled'), await pictures('tfjs-node')];
  const levels = Math.max(...ours.flatMap((data, i) => Array.from(data, (value, k) => Math.abs(value - theirs[i][k]))));
  check(ours.length > 0 && levels <= 2, `4 images from tfjs-node and compiled: pixels within ${levels} of 255`);
}

/** Images a second of the tutorial's training step, backend after backend in each round. */
async function time() {
  // What wasm trains in parts of, and what cpu ends in minutes; that once.
  const batches = { wasm: '16', cpu: '1' };
  const found = new Map(values.backends.split(',').map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, rates] of found) {
      if (name === 'cpu' && round > 0) continue;
      const batch = batches[name] ?? '128';
      const printed = await train(
        '--dataset',
        'fashion-mnist-10k',
        '--backend',
        name,
        '--batch-size',
        batch,
        '--dry-run',
      );
      rates.push(Number(/([\d.]+) images\/s/.exec(printed)[1]));
    }
  }
  for (const [name, rates] of rounds > 0 ? found : []) {
    const sorted = rates.toSorted((a, b) => a - b);
    console.log(
      `${name}, batch ${batches[name] ?? 128}: ${sorted[Math.floor(sorted.length / 2)]} images/s (${sorted[0]} to ${sorted.at(-1)} of ${sorted.length})`,
    );
  }
}

try {
  await checkTools();
  await installPackages();
  await buildAddon();
  await testPackages();
  await countTensors();
  await trainResumeSample();
  await time();
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  console.error(`verify-tensorflow: ${error.message}`);
  process.exitCode = 1;
} finally {
  if (!values.scratch) rmSync(scratch, { recursive: true, force: true });
}
