/* global document, fetch */
// Draws images in the page itself, from a checkpoint that the trainer wrote.
import { ddim, sample } from '@ddpm/diffusion';
import { enlarge, imageGrid, toImageData, toImages } from '@ddpm/images';
import { loadParameters } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import { readSafetensors } from '@ddpm/safetensors';
import { scheduleFromBetas } from '@ddpm/schedules';
import { Unet } from '@ddpm/unet';
import * as tf from '@tensorflow/tfjs';

const canvas = document.querySelector('canvas');
const line = document.querySelector('p');
const [columns, steps] = [4, 20];

async function draw() {
  const response = await fetch('checkpoint.safetensors');
  const { tensors, metadata } = readSafetensors(new Uint8Array(await response.arrayBuffer()));
  const { network, imageShape } = JSON.parse(metadata.model);
  const unet = new Unet(network.options);
  const prefix = 'parameters/';
  loadParameters(
    unet,
    new Map([...tensors].filter(([name]) => name.startsWith(prefix)).map(([name, t]) => [name.slice(prefix.length), t])),
  );
  const schedule = scheduleFromBetas(tensors.get('schedule/betas').data);

  await tf.ready();
  const shape = [columns ** 2, ...imageShape];
  const rng = new Random(0);
  const show = async (x) => {
    const grid = imageGrid(toImages(await x.data(), shape), { columns });
    const picture = enlarge(grid, Math.floor(440 / grid.width));
    Object.assign(canvas, { width: picture.width, height: picture.height });
    canvas.getContext('2d').putImageData(toImageData(picture), 0, 0);
  };
  const sampler = ddim(schedule, { steps });
  const onStep = async ({ index, x }) => {
    await show(x);
    line.textContent = `${index + 1} of ${steps} steps, on tfjs's ${tf.getBackend()} backend`;
  };
  const x0 = await sample(unet, tf.tensor4d(rng.normals(tf.util.sizeFromShape(shape)), shape), {
    schedule,
    sampler,
    rng,
    clip: true,
    onStep,
  });
  await show(x0);
}

draw().then(
  () => (line.dataset.done = ''),
  (error) => {
    line.dataset.error = '';
    throw error;
  },
);
