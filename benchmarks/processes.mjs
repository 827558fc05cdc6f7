// What several processes gain: training steps of the tutorial's model by one process and by two, each pinned to a core
// of its own (Linux, with an mpirun on PATH), and from what was measured, what 2 to 256 machines would.
//   node processes.mjs [--rounds 3] [--steps 4] [--batch 128]
import { denoising, huber, uniform } from '@ddpm/diffusion';
import { prepareExecution } from '@ddpm/execution';
import { namedParameters } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import { linearSchedule } from '@ddpm/schedules';
import { learner } from '@ddpm/train';
import { Unet } from '@ddpm/unet';
import * as tf from '@tensorflow/tfjs';
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { acrossProcesses, joinWorld, launched } from '@ddpm/mpi';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    steps: { type: 'string', default: '4' },
    batch: { type: 'string', default: '128' },
    measure: { type: 'boolean', default: false },
  },
});
const [rounds, steps, batch] = [options.rounds, options.steps, options.batch].map(Number);

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

function model({ dim, dimMults, image }) {
  const network = new Unet({ dim, dimMults, channels: image[2], useConvnext: true });
  const parameters = namedParameters({ denoiser: network });
  const count = [...parameters.values()].reduce((sum, { size }) => sum + size, 0);
  const task = denoising({ network, parameters, levels: uniform(linearSchedule({ timesteps: 200 })), loss: huber });
  return { network, task, count, image };
}
const tutorial = { dim: 28, dimMults: [1, 2, 4], image: [28, 28, 1] };

/** Times a few steps, as one process of however many there are: seconds of each of their parts. */
async function measure() {
  const launch = launched();
  const world = launch && (await joinWorld({ launch }));
  const spent = { draw: [], exchange: [], step: [] };
  /** Of the processor, which other programs do not lengthen. */
  const used = { draw: [], step: [], optimizer: [] };
  const cpu = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  };
  let exchanging = 0;
  const timed =
    (work) =>
    async (...values) => {
      const before = performance.now();
      const result = await work(...values);
      exchanging += performance.now() - before;
      return result;
    };
  const alone = await prepareExecution('compiled', { workers: 1 });
  const execution = world
    ? acrossProcesses(alone, { ...world, reduce: timed(world.reduce), gather: timed(world.gather) })
    : alone;
  const { task, image } = model(tutorial);
  const size = image.reduce((product, side) => product * side);
  const rng = new Random(0);
  const examples = () => ({ image: { data: Float32Array.from({ length: batch * size }, () => rng.uniform()), item: image } }); // prettier-ignore
  const example = task.draw(examples(), rng);
  const gradients = await execution.gradients(task, example);
  let [computing, computingUsed] = [0, 0];
  const learning = await learner({
    task,
    gradients: Object.assign(
      async (...values) => {
        const [before, beforeUsed] = [performance.now(), cpu()];
        const result = await gradients(...values);
        computing += performance.now() - before;
        computingUsed += cpu() - beforeUsed;
        return result;
      },
      { dispose: () => gradients.dispose() },
    ),
  });
  const optimizer = [];
  for (let i = 0; i < steps + 1; i++) {
    const some = examples();
    exchanging = computing = computingUsed = 0;
    const [start, startUsed] = [performance.now(), cpu()];
    const inputs = task.draw(some, rng);
    const [drawn, drawnUsed] = [performance.now(), cpu()];
    await learning.step(inputs, 1e-3);
    const [end, endUsed] = [performance.now(), cpu()];
    if (i === 0) continue;
    used.draw.push(drawnUsed - startUsed);
    used.step.push(endUsed - startUsed);
    used.optimizer.push(endUsed - drawnUsed - computingUsed);
    spent.draw.push(drawn - start);
    spent.exchange.push(exchanging);
    spent.step.push(end - start);
    optimizer.push(end - drawn - computing);
  }
  const result = {
    ...Object.fromEntries(Object.entries({ ...spent, optimizer }).map(([name, all]) => [name, median(all) / 1000])),
    ...Object.fromEntries(Object.entries(used).map(([name, all]) => [`${name}Used`, median(all) / 1000])),
  };
  if (!world || world.rank === 0) console.log(JSON.stringify(result));
  await learning.dispose();
  await world?.close();
}

/** Runs this program so often, each process on a core of its own. */
function run(processes) {
  const self = [process.execPath, fileURLToPath(import.meta.url), '--measure', '--steps', String(steps), '--batch', String(batch)]; // prettier-ignore
  const pinned = (core) => ['taskset', '-c', String(core), ...self];
  const env = { ...process.env, OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' };
  const isOpenMpi = () => /Open MPI|OpenRTE/.test(execFileSync('mpirun', ['--version'], { encoding: 'utf8' }));
  const args =
    processes === 1
      ? pinned(0)
      : [
          'mpirun',
          ...(isOpenMpi() ? ['--bind-to', 'none', '--oversubscribe'] : []),
          ...Array.from({ length: processes }, (_, core) => [...(core > 0 ? [':'] : []), '-np', '1', ...pinned(core)]).flat(), // prettier-ignore
        ];
  return JSON.parse(execFileSync(args[0], args.slice(1), { encoding: 'utf8', env }).trim());
}

/** Of each machine that is simulated. */
const CORES = 8;

/** Seconds of an exchange of n floats among machines: everyone sends and gets n floats twice, but for its own share. */
const exchangeSeconds = (n, machines, { bytesPerSecond, latency }) =>
  (2 * 4 * n * (machines - 1)) / machines / bytesPerSecond + 2 * (machines - 1) * latency;

async function simulate(one) {
  console.log(`of a processor, for ${batch} images: ${Object.entries(one).map(([part, seconds]) => `${part} ${seconds.toFixed(3)} s`).join(', ')}`); // prettier-ignore
  const compute = one.stepUsed - one.drawUsed - one.optimizerUsed;
  const execution = await prepareExecution('compiled');
  const links = {
    '1 Gbit/s': { bytesPerSecond: 117e6, latency: 50e-6 },
    '10 Gbit/s': { bytesPerSecond: 1.17e9, latency: 20e-6 },
  };
  const sizes = {
    tutorial: { ...tutorial, perMachine: 128 },
    large: { dim: 168, dimMults: [1, 2, 4], image: [32, 32, 3], perMachine: 128 },
  };
  let [rate, tutorialCount] = [];
  for (const [name, { perMachine, ...size }] of Object.entries(sizes)) {
    const { network, task, count, image } = model(size);
    const cost = await execution.cost((x, t) => network.apply(x, t), [tf.zeros([1, ...image]), tf.zeros([1])], {
      parameters: task.parameters,
    });
    rate ??= (3 * cost.operations * batch) / compute;
    tutorialCount ??= count;
    const [perImage, drawEach, adamEach] = [(3 * cost.operations) / rate / CORES, one.drawUsed / batch, one.optimizerUsed / tutorialCount]; // prettier-ignore
    const drawFor = drawEach * (image.reduce((product, side) => product * side) / 784);
    console.log(
      `\n${name}: ${(count / 1e6).toFixed(1)} million parameters, ${(cost.operations / 1e9).toFixed(2)} GFLOP an image forward; ${perMachine} images a machine, of ${CORES} cores each, ${perImage.toFixed(3)} s an image`,
    );
    console.log(`machines  ${Object.keys(links).map((link) => `${link}: efficiency, exchange, in half the bytes, drawn in between`).join('   ')}`); // prettier-ignore
    for (const machines of [2, 4, 8, 16, 32, 64, 128, 256]) {
      // Everyone draws the whole next batch while its workers compute, and takes the whole step of Adam.
      const [own, adam] = [perMachine * perImage, adamEach * count];
      const [few, all] = [drawFor * perMachine, drawFor * perMachine * machines];
      const step = (drawn) => Math.max(drawn, own + drawn / CORES) + adam;
      const cells = Object.values(links).map((link) => {
        const exchange = exchangeSeconds(count, machines, link);
        const percent = (seconds) => `${((100 * step(few)) / seconds).toFixed(0)} %`;
        return `${percent(step(all) + exchange)}, ${exchange.toFixed(2)} s, ${percent(step(all) + exchange / 2)}, ${percent(own + all + adam + exchange)}`;
      });
      console.log(`${String(machines).padStart(8)}  ${cells.join('   ')}`);
    }
  }
}

if (options.measure) await measure();
else {
  const results = { 1: [], 2: [] };
  for (let round = 0; round < rounds; round++) for (const n of [1, 2]) results[n].push(run(n));
  const of = (n, part) => median(results[n].map((result) => result[part]));
  const one = Object.fromEntries(['stepUsed', 'drawUsed', 'optimizerUsed'].map((part) => [part, of(1, part)]));
  for (const n of [1, 2])
    console.log(
      `${n} process${n > 1 ? 'es' : ''}, one core each, batch ${batch}: ${of(n, 'step').toFixed(3)} s a step; ${of(n, 'draw').toFixed(3)} to draw, ${of(n, 'optimizer').toFixed(3)} of Adam, ${of(n, 'exchange').toFixed(3)} of exchange and waiting, ${of(n, 'stepUsed').toFixed(3)} of the processor (${results[n].map(({ step }) => step.toFixed(3)).join(', ')})`,
    );
  const speedups = results[1].map(({ step }, i) => step / results[2][i].step);
  console.log(
    `speed-up by two: ${median(speedups).toFixed(2)} (${speedups.map((x) => x.toFixed(2)).join(', ')}), efficiency ${((100 * median(speedups)) / 2).toFixed(0)} %`,
  );
  await simulate(one);
}
