// Our side of the comparison: answers the requests that pytorch.py describes, in the same words, by the steps that the
// trainer takes.
import { Unet2d } from '@ddpm/adm';
import { denoising, huber, uniform } from '@ddpm/diffusion';
import { prepareExecution } from '@ddpm/execution';
import { namedParameters } from '@ddpm/layers';
import { compileNetwork } from '@ddpm/models';
import { Random } from '@ddpm/random';
import { linearSchedule } from '@ddpm/schedules';
import { learner } from '@ddpm/train';
import { Unet } from '@ddpm/unet';
import * as tf from '@tensorflow/tfjs';
import { createInterface } from 'node:readline';

const execution = await prepareExecution(process.argv[2] ?? 'compiled');
const schedule = linearSchedule({ timesteps: 200 });
const rng = new Random(0);

let network;
let channels;
let task;
let learning;
const forwards = new Map();

const answer = (message) => console.log(JSON.stringify(message));
const uniformly = (length) => Float32Array.from({ length }, () => 2 * rng.uniform() - 1);

/** The tutorial's U-Net, or that of a config of diffusers' `UNet2DModel`. */
function build({ config, blocks, dim, mults, channels: inChannels, groups }) {
  network = config
    ? new Unet2d(config)
    : new Unet({
        dim,
        dimMults: mults,
        channels: inChannels,
        useConvnext: blocks === 'convnext',
        resnetBlockGroups: groups,
      });
  channels = config ? config.in_channels : inChannels;
  const parameters = namedParameters({ denoiser: network });
  task = denoising({ network, parameters, levels: uniform(schedule), loss: huber });
  return { parameters: [...parameters.values()].reduce((sum, { size }) => sum + size, 0) };
}

const images = (batch, size) => {
  const item = [size, size, channels];
  return { image: { data: uniformly(batch * tf.util.sizeFromShape(item)), item } };
};

/** Traces and opens what the request needs, once for each image size. */
async function prepare({ op, batch, size }) {
  const start = performance.now();
  if (op === 'step') {
    if (learning?.size === size) return 0;
    await learning?.learner.dispose();
    const gradients = await execution.gradients(task, task.draw(images(batch, size), rng));
    learning = { size, learner: await learner({ task, gradients }) };
  } else if (!forwards.has(size)) {
    const image = [size, size, channels];
    forwards.set(size, await compileNetwork(execution, network, { parameters: task.parameters, image, fixed: true }));
  }
  return (performance.now() - start) / 1000;
}

async function run({ op, batch, size, repeat }) {
  const preparation = await prepare({ op, batch, size });
  const seconds = [];
  for (let i = 0; i < repeat; i++) {
    const examples = images(batch, size);
    if (op === 'step') {
      const start = performance.now();
      await learning.learner.step(task.draw(examples, rng), 1e-3);
      seconds.push((performance.now() - start) / 1000);
    } else {
      const { data, item } = examples.image;
      const inputs = [tf.tensor(data, [batch, ...item]), tf.fill([batch], i)];
      const start = performance.now();
      const y = await forwards.get(size)(...inputs);
      await y.data();
      seconds.push((performance.now() - start) / 1000);
      tf.dispose([y, ...inputs]);
    }
  }
  return { seconds, preparation };
}

answer({ node: process.version });
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  const result = request.op === 'build' ? build(request) : await run(request);
  answer({ ...result, peakMegabytes: process.resourceUsage().maxRSS / 1024 });
}
process.exit(0);
