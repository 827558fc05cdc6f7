// Draws the pictures of how-a-step-travels.md and levels.md, with the model that `npm start` trains: node
// docs/make-pictures.mjs runs/first-1
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { findCheckpoint } from '../packages/checkpoint/dist/index.js';
import { examples, openDataset } from '../packages/datasets/dist/index.js';
import * as diffusion from '../packages/diffusion/dist/index.js';
import { prepareExecution } from '../packages/execution/dist/index.js';
import { toImages } from '../packages/images/dist/index.js';
import { plotLines, svgToPng } from '../packages/images/dist/plot.js';
import { decodePng, encodePng } from '../packages/images/dist/png.js';
import { compileNetwork, loadDenoiser } from '../packages/models/dist/index.js';
import { Random } from '../packages/random/dist/index.js';
import { cosineSchedule, linearSchedule } from '../packages/schedules/dist/index.js';

const { clipped, ddim, denoiser, denoising, levelAt, minSnr, sample, signalToNoise, stack, trailing } = diffusion;

/**
 * Height and width of an image, in units of the SVG, and pixels to a unit: together a whole number for each pixel of an
 * image.
 */
const [SIZE, SCALE] = [84, 4 / 3];

const run = process.argv[2];
if (run === undefined)
  throw new Error('make-pictures: which run? npm start makes one: node docs/make-pictures.mjs runs/first-1');
const { checkpoint } = await findCheckpoint(run);
const bases = [fileURLToPath(new URL('../packages/models/package.json', import.meta.url))];
const { network, parameters, parameterisation, levels, image } = await loadDenoiser(checkpoint, { run, bases });
const { schedule } = levels;
if (!schedule)
  throw new Error(`make-pictures: the pictures are of a schedule, and ${run} has the levels of ${levels.kind}`);
const execution = await prepareExecution('auto');
const dataset = await openDataset('fashion-mnist-10k');
/** The class of each image, where the network takes one. */
const classes = (labels) =>
  network.conditions?.includes('label') ? { label: tf.tensor1d(Array.from(labels), 'int32') } : undefined;
const example = classes([0]) && { label: { data: Int32Array.of(0), item: [] } };
const compiled = await compileNetwork(execution, network, { parameters, image, condition: example });

await pictureOfStep();
await pictureOfLevels();
pictureOfCurves();
await pictureOfWalk();
await compiled.dispose();

/**
 * The first step of the run: examples of its batch, what is drawn for them, what the network makes of them, and their
 * losses.
 */
async function pictureOfStep() {
  const { batchSize, seed, flip, loss, levelSource, weighting: name, gamma } = checkpoint.settings;
  const weighting = name === 'min-snr' ? minSnr(parameterisation, { gamma }) : undefined;
  const task = denoising({
    network,
    parameters,
    levels: diffusion[levelSource](schedule),
    parameterisation,
    loss: diffusion[loss],
    weighting,
  });
  const { value: batch } = await examples(dataset, { batchSize, seed, flip: flip ? 0.5 : 0 }).next();
  const drawn = task.draw(batch, new Random([seed, 'train', 0]));
  const measure = await execution.losses(task, drawn);
  const losses = await measure(drawn);
  await measure.dispose();

  const levels = Array.from(drawn.time.data, (t) => levelAt(schedule, t));
  const shape = [batchSize, ...image];
  const [x0, noise] = [drawn.image, drawn.noise].map(({ data }) => tf.tensor(data, shape));
  const stacked = stack(levels);
  const x = diffusion.qSample(stacked, x0, noise);
  const output = await compiled(x, stacked.time, classes(drawn.label?.data ?? []));
  const guess = parameterisation.predict(stacked, x, output).x0;
  // What is left of x without the image, whatever the network predicts.
  const guessedNoise = tf.div(tf.sub(x, tf.mul(guess, stacked.signal)), stacked.sigma);
  const columns = [
    { title: ['image'], values: x0 },
    { title: ['noise'], values: tf.div(noise, 3) },
    { title: ['x at its level'], values: balanced(x, stacked) },
    { title: ["the network's", 'guess of the noise'], values: tf.div(guessedNoise, 3) },
    { title: ['error'], values: tf.div(tf.sub(noise, guessedNoise), 3) },
    { title: ['the image that', 'the guess means'], values: guess },
  ];
  const pictures = columns.map(({ values }) => toImages(values.dataSync(), shape));

  // Those whose levels are nearest to a little, some and much noise.
  const rows = [0.06, 0.35, 0.75].map((way) =>
    nearest(levels, ({ time }) => Math.abs(time / schedule.timesteps - way)),
  );
  const [left, top, across, down] = [120, 44, SIZE + 26, SIZE + 16];
  const parts = columns.flatMap(({ title }, k) =>
    text(left + k * across + SIZE / 2, top - 10, title, { anchor: 'middle', up: true }),
  );
  rows.forEach((i, row) => {
    const y = top + row * down;
    const { time, signal, sigma } = levels[i];
    parts.push(text(0, y + 26, [`t = ${time}`, `signal ${signal.toFixed(2)}`, `sigma ${sigma.toFixed(2)}`]));
    pictures.forEach((column, k) => parts.push(picture(left + k * across, y, column[i])));
    const lines = ['simple', 'weight', 'loss'].map(
      (name) => `${name} ${(losses.get(name) ?? drawn[name].data)[i].toFixed(3)}`,
    );
    parts.push(text(left + columns.length * across, y + 26, lines));
  });
  write('step.png', parts, { width: left + columns.length * across + 120, height: top + rows.length * down });
}

/** One garment with one noise, at the same shares of the way of each kind of level. */
async function pictureOfLevels() {
  const shares = [0, 1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1];
  const titles = ['image', '', '', 'half of the way', '', '', 'noise'];
  const x0 = tf.tensor(
    Float32Array.from(await dataset.image(0), (byte) => byte / 127.5 - 1),
    [1, ...image],
  );
  const noise = tf.tensor(new Random(1).normals(x0.size), x0.shape);
  const [left, top, across, down] = [110, 24, SIZE + 10, SIZE + 26];
  const parts = titles.map((title, k) => text(left + k * across + SIZE / 2, top - 8, [title], { anchor: 'middle' }));
  for (const [row, { title, at }] of kinds().entries()) {
    const y = top + row * down;
    parts.push(text(0, y + 34, title));
    for (const [k, share] of shares.entries()) {
      const level = at(share);
      const stacked = stack([level]);
      const [shown] = toImages(balanced(diffusion.qSample(stacked, x0, noise), stacked).dataSync(), [1, ...image]);
      parts.push(picture(left + k * across, y, shown));
      const numbers = [level.signal, level.sigma].map((value) => String(Number(value.toPrecision(2)))).join(', ');
      parts.push(
        text(left + k * across + SIZE / 2, y + SIZE + 13, [numbers], { anchor: 'middle', size: 11, fill: '#64748b' }),
      );
    }
  }
  write('levels.png', parts, { width: left + shares.length * across, height: top + kinds().length * down });
}

/** Where kinds of levels lie in the plane of signal and sigma, and how signal-to-noise falls along the way. */
function pictureOfCurves() {
  const shares = Array.from({ length: 401 }, (_, i) => i / 400);
  const [linear, cosine, edm, flow] = kinds();
  const line = (name, at, most) => {
    const levels = shares.map(at).filter(({ sigma }) => sigma <= most);
    return { name, x: levels.map(({ signal }) => signal), y: levels.map(({ sigma }) => sigma) };
  };
  const plane = plotLines([line('schedules', cosine.at, 1), line('EDM', edm.at, 1.25), line('flow', flow.at, 1)], {
    ...{ title: 'What a level is', xLabel: 'signal', yLabel: 'sigma', width: 400, height: 400 },
  });
  const ratio = ([name, at]) => ({ name, x: shares, y: shares.map((share) => within(signalToNoise(at(share)))) });
  const within = (value) => (value > 1e-5 && value < 1e6 ? value : NaN);
  const lines = Object.entries({ linear: linear.at, EDM: edm.at, flow: flow.at, cosine: cosine.at }).map(ratio);
  const falling = plotLines(lines, {
    ...{
      title: 'How fast the image is lost',
      xLabel: 'share of the way',
      yLabel: '(signal/sigma)²',
      logY: true,
      width: 480,
      height: 400,
    },
  });
  write('level-curves.png', [plane, `<g transform="translate(420 0)">${falling}</g>`], {
    width: 900,
    height: 400,
    channels: 3,
  });
}

/** DDIM in eight steps: x at each level, and the image that the network sees in it. */
async function pictureOfWalk() {
  const sampler = ddim(trailing(schedule, 8));
  const rng = new Random(25);
  const xT = tf.tensor(rng.normals(tf.util.sizeFromShape(image)), [1, ...image]);
  const [noisy, guesses] = [[xT], []];
  const denoise = clipped(denoiser(compiled, { parameterisation, condition: classes([0]) }));
  await sample(denoise, xT, {
    sampler,
    rng,
    onStep: ({ x, x0 }) => void (noisy.push(tf.clone(x)), guesses.push(tf.clone(x0))),
  });
  const [left, top, across, down] = [30, 60, SIZE + 10, SIZE + 10];
  const parts = [text(0, top + SIZE / 2 + 5, ['x']), text(0, top + down + SIZE / 2 + 5, ['x̂_0'])];
  for (const [k, x] of noisy.entries()) {
    const level = sampler.levels[k];
    const lines =
      k === noisy.length - 1
        ? ['the image']
        : [`t = ${level.time}`, `signal ${level.signal.toFixed(2)}`, `sigma ${level.sigma.toFixed(2)}`];
    parts.push(text(left + k * across + SIZE / 2, top - 10, lines, { anchor: 'middle', up: true, size: 12 }));
    parts.push(picture(left + k * across, top, toImages(balanced(x, stack([level])).dataSync(), [1, ...image])[0]));
    if (guesses[k])
      parts.push(picture(left + k * across, top + down, toImages(guesses[k].dataSync(), [1, ...image])[0]));
  }
  write('walk.png', parts, { width: left + noisy.length * across, height: top + 2 * down });
}

/** Kinds of levels: the level at a share of the way from image to noise. */
function kinds() {
  const of = (made) => (share) => levelAt(made, Math.round(share * (made.timesteps - 1)));
  const [least, most] = [0.002, 80].map((sigma) => sigma ** (1 / 7));
  return [
    { title: ['linear', 'schedule'], at: of(linearSchedule()) },
    { title: ['cosine', 'schedule'], at: of(cosineSchedule()) },
    // Karras et al. 2022, eq. 5, with ρ = 7
    { title: ["EDM's σ"], at: (share) => edmLevel((least + share * (most - least)) ** 7) },
    { title: ["a flow's t"], at: (t) => ({ signal: 1 - t, sigma: t, time: t }) },
  ];
}

function edmLevel(sigma) {
  return { signal: 1, sigma, time: sigma };
}

/** x, made as bright as an image, to be looked at. */
function balanced(x, { signal, sigma }) {
  return tf.div(x, tf.sqrt(tf.add(tf.square(signal), tf.square(sigma))));
}

function nearest(values, distance) {
  return values.reduce((best, value, i) => (distance(value) < distance(values[best]) ? i : best), 0);
}

/** An image as part of an SVG. */
function picture(x, y, bytes) {
  const data = Buffer.from(encodePng(bytes)).toString('base64');
  return `<image x="${x}" y="${y}" width="${SIZE}" height="${SIZE}" image-rendering="optimizeSpeed" href="data:image/png;base64,${data}"/>`;
}

/** Lines of text as part of an SVG; `up` where the last one, not the first, stands at y. */
function text(x, y, lines, { anchor = 'start', up = false, size = 13, fill = '#334155' } = {}) {
  const first = up ? y - (lines.length - 1) * (size + 3) : y;
  return lines
    .map(
      (line, i) =>
        `<text x="${x}" y="${first + i * (size + 3)}" text-anchor="${anchor}" font-size="${size}" fill="${fill}">${line}</text>`,
    )
    .join('');
}

/** Writes an SVG document's parts as a PNG file, gray unless `channels` says otherwise. */
function write(name, parts, { width, height, channels = 1 }) {
  const [w, h] = [width + 24, height + 24];
  const attributes = `xmlns="http://www.w3.org/2000/svg" font-family="Inter" viewBox="-12 -12 ${w} ${h}" width="${w}" height="${h}"`;
  const png = encodePng(
    decodePng(svgToPng(`<svg ${attributes}>${parts.join('')}</svg>`, { scale: SCALE }), { channels }),
  );
  const path = fileURLToPath(new URL(name, import.meta.url));
  writeFileSync(path, png);
  console.log(`${path}: ${Math.round(png.length / 1000)} kB`);
}
