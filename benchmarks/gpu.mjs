// Prints how our training and sampling on a GPU compare with PyTorch's on the same: node gpu.mjs [--backend cuda]
// [--python python3] [--rounds 5]
import { prepareExecution } from '@ddpm/execution';
import '@tensorflow/tfjs';
import { parseArgs } from 'node:util';
import { comparingOnGpu, ratio, seconds } from './compare.mjs';

const { values: options } = parseArgs({
  options: {
    backend: { type: 'string', default: 'cuda' },
    python: { type: 'string', default: process.env.BENCH_PYTHON ?? 'python3' },
    rounds: { type: 'string', default: '5' },
  },
});
await prepareExecution(options.backend).catch(({ message }) => {
  console.error(message);
  process.exit(1);
});
const compare = comparingOnGpu(options.python, Number(options.rounds), options.backend);

console.log(
  `| what | ours, ${options.backend} | PyTorch | ratio | channels_last | ratio | and torch.compile | ratio |`,
);
console.log('|---|---|---|---|---|---|---|---|');
for (const dim of [28, 64])
  for (const batch of [128, 1024])
    for (const [what, op] of [
      ['training step', 'step'],
      ['sampling forward', 'forward'],
    ]) {
      const model = { op: 'build', blocks: 'convnext', dim, mults: [1, 2, 4], channels: 1, groups: 4 };
      const { ours, eager, channelsLast, compiled } = await compare(model, { op, batch, size: 28 });
      const cells = [eager, channelsLast, compiled].flatMap((side) => [seconds(side), ratio(side)]);
      console.log(`| ${[`${what}, width ${dim}, batch ${batch}`, seconds(ours), ...cells].join(' | ')} |`);
    }
