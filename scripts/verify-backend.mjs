// Compares a backend with compiled: the tutorial's network, small, in loss, gradients, five steps of Adam and a chain of
// sampling steps; then a run that is resumed on it must end at the same bits, and where there is no GPU for webgpu, one
// line must say so. For a person to run, in a built clone:
//   node scripts/verify-backend.mjs [--backend webgpu]
// For tfjs-node, @tensorflow/tfjs-node must be found beside @ddpm/backend: verify-tensorflow.mjs builds one.
// A GPU is not needed on Linux: Mesa's software Vulkan will do, of Mesa 23 or later (22.3 gives no adapter). On Debian 12
// it comes from backports, and need not be installed:
//   apt-get install libvulkan1 libllvm15
//   apt-get download mesa-vulkan-drivers/bookworm-backports libdrm2/bookworm-backports
//   for file in *.deb; do dpkg -x $file mesa; done
//   L=$PWD/mesa/usr/lib/x86_64-linux-gnu
//   echo "{\"file_format_version\":\"1.0.0\",\"ICD\":{\"library_path\":\"$L/libvulkan_lvp.so\",\"api_version\":\"1.3.0\"}}" > lvp.json
//   LD_LIBRARY_PATH=$L VK_ICD_FILENAMES=$PWD/lvp.json node scripts/verify-backend.mjs
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { root } from './pnpm.mjs';

const { values: options } = parseArgs({
  options: {
    backend: { type: 'string', default: 'webgpu' },
    dim: { type: 'string', default: '8' },
    mults: { type: 'string', default: '1,2' },
    size: { type: 'string', default: '8' },
  },
});
const { backend } = options;

// This script is in no package; those that it uses are found where benchmarks finds them.
const requireFrom = createRequire(join(root, 'benchmarks/package.json'));
const load = (name) => import(pathToFileURL(requireFrom.resolve(name)).href);
const tf = (await load('@tensorflow/tfjs')).default;
const { ddim, denoising, epsilon, huber, trailing, uniform } = await load('@ddpm/diffusion');
const { prepareExecution } = await load('@ddpm/execution');
const { namedParameters } = await load('@ddpm/layers');
const { compileNetwork, draw } = await load('@ddpm/models');
const { Random } = await load('@ddpm/random');
const { linearSchedule } = await load('@ddpm/schedules');
const { learner } = await load('@ddpm/train');
const { Unet } = await load('@ddpm/unet');
const { encodePng } = await import('../packages/images/dist/png.js');

const ort = createRequire(requireFrom.resolve('@ddpm/compile'))('onnxruntime-node');

const TOLERANCE = 1e-3;
const size = Number(options.size);
const image = [size, size, 1];
const schedule = linearSchedule({ timesteps: 8 });

let failures = 0;
function check(right, line) {
  if (!right) failures++;
  console.log(`${right ? 'ok' : 'FAILED'}: ${line}`);
}

/** Bytes that go to the device and come from it while something is done: by sessions that leave or find results there. */
async function transfers(work) {
  const bytes = { sent: 0, fetched: 0 };
  const { prototype } = ort.InferenceSession;
  const { run } = prototype;
  const here = (tensors) => Object.values(tensors).filter((tensor) => tensor?.location === 'cpu');
  const total = (tensors) => here(tensors).reduce((sum, { data }) => sum + data.byteLength, 0);
  prototype.run = async function (feeds, ...rest) {
    const results = await run.call(this, feeds, ...rest);
    const all = [...Object.values(feeds), ...Object.values(results)];
    if (here(all).length < all.length) {
      bytes.sent += total(feeds);
      bytes.fetched += total(results);
    }
    return results;
  };
  try {
    return { result: await work(), ...bytes };
  } finally {
    prototype.run = run;
  }
}

const kilobytes = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;

/** All numbers that an execution gives, by name. */
async function everything(name) {
  const execution = await prepareExecution(name);
  const network = new Unet({
    dim: Number(options.dim),
    dimMults: options.mults.split(',').map(Number),
    channels: 1,
    rng: new Random(1),
  });
  const parameters = namedParameters({ denoiser: network });
  const task = denoising({ network, parameters, levels: uniform(schedule), loss: huber });
  const rng = new Random(2);
  const pixels = Float32Array.from({ length: 2 * size ** 2 }, () => 2 * rng.uniform() - 1);
  const inputs = task.draw({ image: { data: pixels, item: image } }, new Random(3));
  const gradients = await execution.gradients(task, inputs);
  const learning = await learner({ task, gradients });
  const weights = new Map([...parameters].map(([key, variable]) => [key, variable.dataSync().slice()]));
  const start = performance.now();
  // The first call sends what stays there.
  await gradients(weights, inputs);
  const { result: first, ...alone } = await transfers(() => gradients(weights, inputs));
  const firstGradients = new Map([...first.gradients].map(([key, values]) => [key, values.slice()]));
  const losses = [];
  let step;
  for (let i = 0; i < 5; i++) {
    step = await transfers(() => learning.step(inputs, 1e-3));
    losses.push(step.result.loss);
  }
  for (const [key, values] of await learning.weights())
    parameters.get(key).assign(tf.tensor(values, parameters.get(key).shape));
  const run = await compileNetwork(execution, network, { parameters, image });
  const chain = await draw({
    ...{ network: run, parameterisation: epsilon, sampler: ddim(trailing(schedule, 8)) },
    ...{ image, count: 2, seed: 4, batch: 2 },
  });
  const seconds = (performance.now() - start) / 1000;
  const result = {
    loss: Float32Array.of(first.loss),
    gradients: joined(firstGradients),
    losses: Float32Array.from(losses),
    weights: joined(await learning.weights()),
    chain,
  };
  await learning.dispose();
  await run.dispose();
  const count = [...parameters.values()].reduce((sum, { size: n }) => sum + n, 0);
  return { result, seconds, count, alone, step };
}

const joined = (arrays) => Float32Array.from([...arrays.values()].flatMap((values) => [...values]));

/** The largest difference, as a part of the largest value. */
function difference(a, b) {
  let [largest, most] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    largest = Math.max(largest, Math.abs(a[i]));
    most = Math.max(most, Math.abs(a[i] - b[i]));
  }
  return a.length === b.length ? most / largest : Infinity;
}

const folder = mkdtempSync(join(tmpdir(), 'ddpm-webgpu-'));
try {
  const compiled = await everything('compiled');
  const gpu = await everything(backend);
  for (const [name, values] of Object.entries(compiled.result)) {
    const apart = difference(values, gpu.result[name]);
    check(apart < TOLERANCE, `${name}: ${apart.toExponential(1)} of the largest of ${values.length} values apart`);
  }
  const sentAndFetched = ({ sent, fetched }) => `sends ${kilobytes(sent)} and fetches ${kilobytes(fetched)}`;
  if (backend === 'webgpu')
    console.log(
      `${gpu.count} parameters: a step of learning ${sentAndFetched(gpu.step)}; gradients of arrays, which an optimizer here would need, ${sentAndFetched(gpu.alone)}`,
    );
  console.log(`seconds: compiled ${compiled.seconds.toFixed(1)}, ${backend} ${gpu.seconds.toFixed(1)}`);

  mkdirSync(join(folder, 'images'));
  for (let i = 0; i < 12; i++) {
    const data = Uint8Array.from({ length: 64 }, (_, k) => (k * (i + 3) * 5) % 256);
    writeFileSync(join(folder, 'images', `${i}.png`), encodePng({ width: 8, height: 8, channels: 1, data }));
  }
  const train = (args, env = {}) =>
    spawnSync(process.execPath, [join(root, 'apps/trainer/dist/cli.js'), '--quiet', ...args], {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, ...env },
    });
  const data = ['--dataset', 'folder', '--data-dir', 'images', '--dim', '4', '--dim-mults', '1,2', '--timesteps', '6'];
  const settings = [...data, '--batch-size', '6', '--validation', '0', '--sample-every', '0', '--backend', backend];
  const hash = (run) =>
    createHash('sha256')
      .update(readFileSync(join(folder, run, 'checkpoint.safetensors')))
      .digest('hex');
  const runs = [
    train([...settings, '--steps', '4', '--out', 'whole']),
    train([...settings, '--steps', '2', '--out', 'resumed']),
    train(['--resume', 'resumed', '--steps', '4']),
  ];
  const trained = runs.every(({ status }) => status === 0);
  check(trained && hash('whole') === hash('resumed'), `a resumed run ends at the same bits${trained ? '' : `: ${runs.map(({ stderr }) => stderr).join('')}`}`); // prettier-ignore
  if (backend === 'webgpu' && process.platform === 'linux') {
    const { status, stderr } = train([...settings, '--out', 'none'], { VK_ICD_FILENAMES: '/nowhere.json' });
    const lines = stderr.split('\n').filter((line) => line.startsWith('ddpm-train'));
    check(status === 1 && lines.length === 1, `without a GPU: ${lines.join(' | ')}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = failures > 0 ? 1 : 0;
