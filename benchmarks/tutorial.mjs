// The tutorial's training in both: the same images in the same order, the same settings, by steps and by the clock. In
// turns of some steps each, so that whatever else the machine does slows both.
//   node tutorial.mjs --python python3 [--steps 400] [--seeds 3] [--turn 20] [--out losses.svg]
// The first seed is timed on both sides; the others tell how far apart the losses of two trainings are that differ in
// nothing else.
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { examples, openDataset } from '@ddpm/datasets';
import { denoising, huber, uniform } from '@ddpm/diffusion';
import { prepareExecution } from '@ddpm/execution';
import { plotLines } from '@ddpm/images/plot';
import { namedParameters } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import { linearSchedule } from '@ddpm/schedules';
import { learner } from '@ddpm/train';
import { Unet } from '@ddpm/unet';
import '@tensorflow/tfjs';
import { fileURLToPath } from 'node:url';
import { start } from './peer.mjs';

const { values } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    steps: { type: 'string', default: '400' },
    seeds: { type: 'string', default: '3' },
    turn: { type: 'string', default: '20' },
    out: { type: 'string' },
  },
});
const [steps, seeds, turn] = [values.steps, values.seeds, values.turn].map(Number);
const BATCH = 128;

/** The batches of a run, each [128, 28, 28, 1], as the trainer takes them: every seed has its own order. */
async function* batches(seed) {
  for await (const { image } of examples(await openDataset('fashion-mnist'), { batchSize: BATCH, seed, flip: 0.5 }))
    if (image.data.length === BATCH * 28 * 28) yield image;
}

async function ours(seed) {
  const network = new Unet({ dim: 28, dimMults: [1, 2, 4], channels: 1, seed });
  const levels = uniform(linearSchedule({ timesteps: 200 }));
  const task = denoising({ network, parameters: namedParameters({ denoiser: network }), levels, loss: huber });
  const rng = new Random([seed, 'tutorial']);
  const data = batches(seed);
  const example = task.draw({ image: (await batches(seed).next()).value }, rng);
  const learning = await learner({ task, gradients: await execution.gradients(task, example) });
  return {
    async step() {
      const { value: image } = await data.next();
      const before = performance.now();
      const { loss } = await learning.step(task.draw({ image }, rng), 1e-3);
      return { loss, seconds: (performance.now() - before) / 1000 };
    },
    stop: () => learning.dispose(),
  };
}

async function torch(seed) {
  const threads = String(availableParallelism());
  const peer = await start(values.python, [fileURLToPath(new URL('tutorial.py', import.meta.url)), threads, `${seed}`]);
  if (!peer) throw new Error(`tutorial.mjs: ${values.python} has no PyTorch`);
  const data = batches(seed);
  return {
    async step() {
      const { value: image } = await data.next();
      const bytes = Buffer.from(image.data.buffer, image.data.byteOffset, image.data.byteLength);
      return peer.ask({ images: bytes.toString('base64') });
    },
    stop: () => peer.stop(),
  };
}

const execution = await prepareExecution('compiled');
const sides = { ours, torch };
/** By side, the losses of each seed, and the seconds at which the first had them. */
const results = Object.fromEntries(Object.keys(sides).map((name) => [name, { losses: [], seconds: [] }]));
for (let seed = 0; seed < seeds; seed++) {
  const runs = {};
  for (const [name, begin] of Object.entries(sides)) {
    runs[name] = await begin(seed);
    results[name].losses.push([]);
  }
  for (let done = 0; done < steps; done += turn) {
    for (const [name, run] of Object.entries(runs)) {
      for (let i = done; i < Math.min(done + turn, steps); i++) {
        const { loss, seconds } = await run.step();
        results[name].losses[seed].push(loss);
        if (seed === 0) results[name].seconds.push(seconds + (results[name].seconds.at(-1) ?? 0));
      }
    }
    console.error(`seed ${seed}: ${Math.min(done + turn, steps)} of ${steps} steps`);
  }
  for (const run of Object.values(runs)) await run.stop();
}

const mean = (list) => list.reduce((sum, value) => sum + value, 0) / list.length;
/** Means over some steps, by which losses are compared. */
const WINDOW = Math.max(1, Math.round(steps / 10));
console.log('| steps | ours, mean of each seed | PyTorch | difference of the means | spread over seeds |');
console.log('| --- | --- | --- | --- | --- |');
for (let end = WINDOW; end <= steps; end += WINDOW) {
  const means = Object.values(results).map(({ losses }) => losses.map((of) => mean(of.slice(end - WINDOW, end))));
  const spread = Math.max(...means.map((of) => Math.max(...of) - Math.min(...of)));
  const shown = means.map((of) => of.map((loss) => loss.toFixed(4)).join(' '));
  const [a, b] = means.map(mean);
  console.log(
    `| ${end - WINDOW + 1}–${end} | ${shown[0]} | ${shown[1]} | ${(a - b).toFixed(4)} | ${spread.toFixed(4)} |`,
  );
}

/** Seconds until the mean of the last losses first falls to a value. */
function secondsTo({ losses: [first], seconds }, loss) {
  for (let end = WINDOW; end <= first.length; end++)
    if (mean(first.slice(end - WINDOW, end)) <= loss) return seconds[end - 1];
  return NaN;
}
const last = Math.max(...Object.values(results).map(({ losses: [first] }) => mean(first.slice(-WINDOW))));
console.log('\n| loss | ours | PyTorch | ratio |\n| --- | --- | --- | --- |');
for (const loss of [4, 2, 1].map((times) => last * times)) {
  const [a, b] = Object.values(results).map((side) => secondsTo(side, loss));
  console.log(`| ${loss.toFixed(4)} | ${a.toFixed(0)} s | ${b.toFixed(0)} s | ${(b / a).toFixed(2)}× |`);
}

if (values.out !== undefined) {
  const names = { ours: 'ours', torch: 'PyTorch' };
  const lines = Object.entries(results).map(
    ([
      name,
      {
        losses: [y],
        seconds: x,
      },
    ]) => ({
      ...{ name: names[name], x, y, smooth: 20 },
    }),
  );
  writeFileSync(
    values.out,
    plotLines(lines, { width: 640, height: 320, xLabel: 'seconds', yLabel: 'loss', logY: true }),
  );
}
process.exit(0);
