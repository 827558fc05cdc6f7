// Prints how our training and sampling compare with PyTorch's, both timed in turn: node run.mjs [--python python3]
// [--rounds 5] [--scaling]
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { comparing, megabytes, ratio, seconds } from './compare.mjs';
import { smallModels } from './small.mjs';

const { values: options } = parseArgs({
  options: {
    python: { type: 'string', default: process.env.BENCH_PYTHON ?? 'python3' },
    rounds: { type: 'string', default: '5' },
    scaling: { type: 'boolean', default: false },
  },
});
const rounds = Number(options.rounds);
const threads = availableParallelism();

const compare = comparing(options.python, rounds);
const tutorial = { op: 'build', blocks: 'convnext', dim: 28, mults: [1, 2, 4], channels: 1, groups: 4 };

console.log(`${cpus()[0].model}, ${threads} processors; Node ${process.version}; ${rounds} rounds, medians`);
const rows = [];
const step = await compare(tutorial, { op: 'step', batch: 128, size: 28 });
rows.push(['training step, batch 128', step]);
rows.push([
  'the same with ResNet blocks, 4 groups',
  await compare({ ...tutorial, blocks: 'resnet' }, { op: 'step', batch: 128, size: 28 }),
]);
// Short enough for more of them.
rows.push([
  'sampling forward, 64 images',
  await compare(tutorial, { op: 'forward', batch: 64, size: 28 }, { times: 4 * rounds }),
]);
if (!step.torch) console.log(`(no PyTorch: ${options.python} cannot import torch)`);
console.log('\n| what | ours | PyTorch | ratio | PyTorch, allocator tuned | ratio |\n|---|---|---|---|---|---|');
for (const [what, { ours, torch, tuned: other }] of rows) {
  console.log(
    `| ${what} | ${seconds(ours)} | ${seconds(torch)} | ${ratio(torch)} | ${seconds(other)} | ${ratio(other)} |`,
  );
}
console.log(
  `| peak memory of the training step | ${megabytes(step.ours)} | ${megabytes(step.torch)} | | ${megabytes(step.tuned)} | |`,
);
console.log(`| tracing and opening, before the first step | ${step.ours.preparation.toFixed(2)} s | | | | |`);

console.log('\n| training step, batch 128 | compiled | tfjs | ratio |\n|---|---|---|---|');
for (const [name, ours, backend, other] of await smallModels(rounds))
  console.log(
    `| small ${name} | ${ours.toFixed(2)} ms | ${backend} ${other.toFixed(2)} ms | ${(other / ours).toFixed(1)}× |`,
  );

if (options.scaling) {
  console.log('\n| training step | ours | peak memory | PyTorch | ratio |\n|---|---|---|---|---|');
  const cases = [
    ...[1, 4, 16, 64, 256, 512].map((batch) => [`batch ${batch}`, tutorial, { batch, size: 28 }]),
    ...[32, 64].map((size) => [`${size}×${size} images, batch 32`, tutorial, { batch: 32, size }]),
    ['width 56, batch 32', { ...tutorial, dim: 56 }, { batch: 32, size: 28 }],
  ];
  for (const [what, model, request] of cases) {
    const { ours, torch } = await compare(model, { op: 'step', ...request }, { names: ['ours', 'torch'] });
    console.log(`| ${what} | ${seconds(ours)} | ${megabytes(ours)} | ${seconds(torch)} | ${ratio(torch)} |`);
  }
}
process.exit(0);
