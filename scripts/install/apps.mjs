import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { execute, npm, npx } from './execute.mjs';

const apps = ['@ddpm/trainer', '@ddpm/sampler', '@ddpm/evaluator'];
const small =
  '--dataset fashion-mnist-10k --image-size 8 --dim 4 --dim-mults 1,2 --timesteps 20 --batch-size 16 --sample-every 0'.split(
    ' ',
  );
const train = (steps, out) => ['ddpm-train', ...small, '--steps', String(steps), '--out', out];
const sample = (run, out) => ['ddpm-sample', run, '--count', '2', '--steps', '5', '--out', out];
const evaluate = (run, out) => ['ddpm-evaluate', run, '-n', '20', '--steps', '2', '--out', out];

function emptyFolder(folder, name) {
  const cwd = join(folder, name);
  mkdirSync(cwd);
  return cwd;
}

function sampled(cwd, out) {
  assert.deepEqual(readdirSync(join(cwd, out)).sort(), ['0.png', '1.png', 'chain.gif', 'grid.png', 'samples.json']);
}

function evaluated(cwd, out) {
  const [{ n, frechetDistance, floor }] = JSON.parse(readFileSync(join(cwd, out, 'evaluation.json'), 'utf8'));
  assert.ok(n === 20 && frechetDistance > floor.frechetDistance, `an untrained model scores ${frechetDistance}`);
}

/**
 * Installs the apps, and trains, resumes and samples with them under each version of Node.
 * @param cell notes what a version says: (version, column, test)
 * @returns a trained run
 */
export async function testApps({ folder, env, nodes, cell }) {
  const cwd = emptyFolder(folder, 'apps');
  // The first is the oldest: a dependency that wants a newer one is an error.
  const [[oldest, first]] = nodes;
  await cell(`Node ${oldest}`, 'install', () =>
    npm(['install', '--engine-strict', ...apps], { cwd, env, node: first }),
  );
  for (const [version, node] of nodes) {
    const [whole, run, images] = ['whole', 'run', 'images'].map((name) => `${name}-${version}`);
    const use = (args) => npx(args, { cwd, env, node });
    await cell(`Node ${version}`, 'train', () => use(train(6, whole)));
    await cell(`Node ${version}`, 'resume', async () => {
      await use(train(3, run));
      await use(['ddpm-train', '--resume', run, '--steps', '6']);
      const [a, b] = [whole, run].map((name) => readFileSync(join(cwd, name, 'checkpoint.safetensors')));
      assert.ok(a.equals(b), 'the weights are not those of a run that was never stopped');
    });
    await cell(`Node ${version}`, 'sample', async () => {
      await use(sample(run, images));
      sampled(cwd, images);
    });
    await cell(`Node ${version}`, 'evaluate', async () => {
      await use(evaluate(run, `scores-${version}`));
      evaluated(cwd, `scores-${version}`);
    });
  }
  return join(cwd, `run-${[...nodes.keys()].at(-1)}`);
}

/** Runs the apps by their packages' names from a folder in which nothing is installed. */
export async function testNpx({ folder, env, cell }) {
  const cwd = emptyFolder(folder, 'npx');
  const from = (name, args) => npx(['--yes', `--package=${name}`, ...args], { cwd, env });
  await cell('npx', 'train', () => from(apps[0], train(2, 'run')));
  await cell('npx', 'sample', async () => {
    await from(apps[1], sample('run', 'images'));
    sampled(cwd, 'images');
  });
  await cell('npx', 'evaluate', async () => {
    await from(apps[2], evaluate('run', 'scores'));
    evaluated(cwd, 'scores');
  });
}

/**
 * Installs and uses the apps from npm's cache, which the tests before have filled, without a network (Linux; elsewhere
 * npm alone does without)
 * on a machine that says it has CUDA.
 * @returns the packages whose install scripts ran
 */
export async function testOffline({ folder, env, cell }) {
  const cwd = emptyFolder(folder, 'offline');
  const cuda = emptyFolder(folder, 'cuda');
  writeFileSync(join(cuda, 'nvcc'), '#!/bin/sh\necho "Cuda compilation tools, release 12.4, V12.4.131"\n');
  chmodSync(join(cuda, 'nvcc'), 0o755);
  const options = {
    cwd,
    env: { ...env, PATH: [cuda, process.env.PATH].join(delimiter), CUDA_PATH: cuda, CUDA_HOME: cuda },
  };

  const cutOff = await execute('unshare', ['-rn', 'true']).then(
    () => true,
    () => false,
  );
  const name = cutOff ? 'no network' : 'npm --offline';
  const use = (program, args) =>
    cutOff ? execute('unshare', ['-rn', program, ...args], options) : (program === 'npm' ? npm : npx)(args, options);
  let scripts = [];
  await cell(name, 'install', async () => {
    await use('npm', ['install', '--offline', ...apps]);
    scripts = installScripts(cwd);
  });
  await cell(name, 'train', () => use('npx', train(2, 'run')));
  await cell(name, 'sample', async () => {
    await use('npx', sample('run', 'images'));
    sampled(cwd, 'images');
  });
  await cell(name, 'evaluate', async () => {
    await use('npx', evaluate('run', 'scores'));
    evaluated(cwd, 'scores');
  });
  return scripts;
}

function installScripts(project) {
  const { packages } = JSON.parse(readFileSync(join(project, 'node_modules', '.package-lock.json'), 'utf8'));
  return Object.entries(packages)
    .filter(([, { hasInstallScript }]) => hasInstallScript)
    .map(([path, { version }]) => `${path.replace(/^.*node_modules\//, '')} ${version}`);
}
