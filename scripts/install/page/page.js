/* global document, fetch */
// Draws images in the page itself, from a checkpoint that the trainer wrote.
import createAdm from '@ddpm/adm';
import { decodeCheckpoint } from '@ddpm/checkpoint/format';
import { clipped, ddim, denoiser, epsilon, sample, trailing, velocity } from '@ddpm/diffusion';
import { enlarge, imageGrid, toImageData, toImages } from '@ddpm/images';
import { loadParameters } from '@ddpm/layers';
import { Random } from '@ddpm/random';
import { scheduleFromBetas } from '@ddpm/schedules';
import createUnet from '@ddpm/unet';
import * as tf from '@tensorflow/tfjs';

const canvas = document.querySelector('canvas');
const line = document.querySelector('p');
const [columns, steps] = [4, 20];
const networks = { '@ddpm/adm': createAdm, '@ddpm/unet': createUnet };
const parameterisations = { epsilon, velocity };

async function draw() {
  const response = await fetch('checkpoint.safetensors');
  const checkpoint = await decodeCheckpoint(new Uint8Array(await response.arrayBuffer()));
  const { meaning, weights } = checkpoint;
  const { name, options } = checkpoint.networks.denoiser;
  const network = networks[name](options);
  loadParameters({ denoiser: network }, weights);
  const schedule = scheduleFromBetas(Float64Array.from(meaning.levels.betas));

  await tf.ready();
  const shape = [columns ** 2, ...meaning.image];
  const rng = new Random(0);
  const show = async (x) => {
    const grid = imageGrid(toImages(await x.data(), shape), { columns });
    const picture = enlarge(grid, Math.floor(440 / grid.width));
    Object.assign(canvas, { width: picture.width, height: picture.height });
    canvas.getContext('2d').putImageData(toImageData(picture), 0, 0);
  };
  const sampler = ddim(trailing(schedule, steps));
  const onStep = async ({ index, x }) => {
    await show(x);
    line.textContent = `${index + 1} of ${steps} steps, on tfjs's ${tf.getBackend()} backend`;
  };
  const parameterisation = parameterisations[meaning.parameterisation];
  // Of a model with classes, all of them in turn.
  const { classNames } = meaning;
  const numbers = Int32Array.from({ length: shape[0] }, (_, i) => i % classNames?.length);
  const condition = classNames && { label: tf.tensor1d(numbers, 'int32') };
  const denoise = clipped(denoiser(network, { parameterisation, condition }));
  const x0 = await sample(denoise, tf.tensor4d(rng.normals(tf.util.sizeFromShape(shape)), shape), {
    sampler,
    rng,
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
