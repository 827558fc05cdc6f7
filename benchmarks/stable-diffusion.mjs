// The U-Net of Stable Diffusion 1.5 (859.5M parameters, random weights in half precision), one call for an image of
// 512×512, here and in Python's diffusers: seconds, peak of memory, and how far apart the results are.
//
//   node stable-diffusion.mjs --python PYTHON [--folder FOLDER] [--calls 2] [--size 64] [--small]
//
// PYTHON has torch and diffusers. FOLDER, a temporary one by default, is where the weights (1.7 GB) are written, or are
// already. --small takes a network of a hundredth of the size, to try this out.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    folder: { type: 'string' },
    calls: { type: 'string', default: '2' },
    size: { type: 'string', default: '64' },
    small: { type: 'boolean', default: false },
    run: { type: 'string' },
  },
});

if (values.run === 'ours') await ours(values.folder);
else {
  const folder = values.folder ?? mkdtempSync(join(tmpdir(), 'stable-diffusion-'));
  const script = fileURLToPath(new URL('stable_diffusion.py', import.meta.url));
  const python = (what) => line(values.python, [script, what, folder, values.calls, values.size, String(values.small)]);
  try {
    if (!existsSync(join(folder, 'io.safetensors'))) python('make');
    const own = fileURLToPath(import.meta.url);
    const args = ['--run', 'ours', '--folder', folder, '--calls', values.calls];
    report('diffusers, float32', python('run'));
    report('here', line(process.execPath, [own, ...args]));
    report('diffusers, bfloat16', python('run-bfloat16'));
    console.log(`on ${availableParallelism()} processors`);
  } finally {
    if (values.folder === undefined) rmSync(folder, { recursive: true });
  }
}

/** The last line of a process of its own. */
function line(command, args) {
  const { status, stdout } = spawnSync(command, args, { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed`);
  return stdout.trim().split('\n').at(-1);
}

function report(name, json) {
  const { load, calls, processor, gigabytes, difference } = JSON.parse(json);
  const seconds = calls.map((s) => s.toFixed(1)).join(', ');
  const far = difference === undefined ? '' : `, differs by ${difference.toExponential(1)} of the largest value`;
  console.log(
    `${name}: opened in ${load.toFixed(1)} s; calls of ${seconds} s; ${processor.toFixed(0)} s of processors in all; at most ${gigabytes.toFixed(2)} GB${far}`,
  );
}

/** One process: opens the folder, and calls the U-Net. */
async function ours(folder) {
  const tf = await import('@tensorflow/tfjs');
  const { unet2dConditionFromConfig } = await import('@ddpm/adm');
  const { readPipelineFolder } = await import('@ddpm/diffusers');
  const { prepareExecution } = await import('@ddpm/execution');
  const { namedParameters } = await import('@ddpm/layers');
  const { openSafetensors } = await import('@ddpm/safetensors/file');
  const execution = await prepareExecution('compiled');
  const start = performance.now();
  const { config, tensors } = (await readPipelineFolder(join(folder, 'unet'))).unet;
  const network = unet2dConditionFromConfig(config, tensors);
  const load = (performance.now() - start) / 1000;
  const io = openSafetensors(join(folder, 'io.safetensors')).tensors;
  const read = (name) => tf.tensor(io.get(name).read(), io.get(name).shape);
  const channelsLast = (x) => tf.transpose(x, [0, 2, 3, 1]);
  const [x, context] = [channelsLast(read('x')), read('context')];
  const t = tf.tensor1d([981]);
  const fn = (image, told, words) => network.apply(image, told, { context: words });
  const options = { parameters: namedParameters(network), coupled: true };
  const run = await execution.compile(fn, [x, t, context], options);
  const calls = [];
  let values;
  for (let i = 0; i < Number(parseArgs({ options: { calls: { type: 'string' } }, strict: false }).values.calls); i++) {
    const before = performance.now();
    const y = await run(x, t, context);
    calls.push((performance.now() - before) / 1000);
    values = await tf.transpose(y, [0, 3, 1, 2]).data();
  }
  const { user, system } = process.cpuUsage();
  const gigabytes = (process.resourceUsage().maxRSS * 1024) / 1e9;
  const theirs = io.get('y')?.read();
  const most = theirs?.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  const difference = theirs?.reduce((a, b, i) => Math.max(a, Math.abs(b - values[i])), 0) / most;
  console.log(
    JSON.stringify({ load, calls, processor: (user + system) / 1e6, gigabytes, ...(theirs && { difference }) }),
  );
  await run.dispose();
}
