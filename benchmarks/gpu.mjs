// Prints how our training and sampling on a GPU compare with PyTorch's and TensorFlow.js's on the same:
//   node gpu.mjs [--backend cuda] [--python python3] [--rounds 5]
// A side that is not installed, or has too little memory, is left out. Where there is no GPU, --dry-run goes through all
// of it on the processor, with a small network and batch.
import { prepareExecution } from '@ddpm/execution';
import '@tensorflow/tfjs';
import { parseArgs } from 'node:util';
import { comparingOnGpu, ratio, seconds } from './compare.mjs';

const { values: options } = parseArgs({
  options: {
    backend: { type: 'string', default: 'cuda' },
    python: { type: 'string', default: process.env.BENCH_PYTHON ?? 'python3' },
    rounds: { type: 'string', default: '5' },
    'dry-run': { type: 'boolean', default: false },
  },
});
const dry = options['dry-run'];
const sides = dry
  ? { backend: 'compiled', tfjs: 'tfjs-node', device: 'cpu' }
  : { backend: options.backend, tfjs: 'tfjs-node-gpu', device: 'cuda' };
if (!dry)
  await prepareExecution(sides.backend).catch(({ message }) => {
    console.error(`${message}; or --dry-run`);
    process.exit(1);
  });
const compare = comparingOnGpu(options.python, dry ? 1 : Number(options.rounds), sides);

const columns = ['PyTorch', 'channels_last', 'and torch.compile', sides.tfjs].flatMap((name) => [name, 'ratio']);
console.log(`| what | ours, ${sides.backend} | ${columns.join(' | ')} |`);
console.log('|---|---|---|---|---|---|---|---|---|---|');
for (const dim of dry ? [8] : [28, 64])
  for (const batch of dry ? [4] : [128, 1024])
    for (const [what, op] of [
      ['training step', 'step'],
      ['sampling forward', 'forward'],
    ]) {
      const model = { op: 'build', blocks: 'convnext', dim, mults: [1, 2, 4], channels: 1, groups: 4 };
      const { ours, eager, channelsLast, compiled, tfjs } = await compare(model, { op, batch, size: 28 });
      const cells = [eager, channelsLast, compiled, tfjs].flatMap((side) => [seconds(side), ratio(side)]);
      console.log(`| ${[`${what}, width ${dim}, batch ${batch}`, seconds(ours), ...cells].join(' | ')} |`);
    }
process.exit(0);
