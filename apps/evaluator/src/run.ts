import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Result } from '@ddpm/app-common';
import {
  addResults,
  createEventWriter,
  createProgress,
  curvesOf,
  evaluationSection,
  formatSeconds,
  readResults,
  resultTable,
  withEvaluation,
} from '@ddpm/app-common';
import { makeFolder, writeFileAtomic } from '@ddpm/checkpoint';
import type { Dataset } from '@ddpm/datasets';
import type { FeatureNetwork, Reference } from '@ddpm/evaluation';
import { floorOf, measure, neighboursPicture, openFeatures, openReference, see, someOf } from '@ddpm/evaluation';
import type { Execution } from '@ddpm/execution';
import { prepareExecution } from '@ddpm/execution';
import { enlarge } from '@ddpm/images';
import { encodePng } from '@ddpm/images/png';
import { measureBits } from './bits-per-dim';
import type { Drawing } from './draw-images';
import { prepareDrawing } from './draw-images';
import type { Settings } from './options';
import type { RealImages } from './real-images';
import { openReal } from './real-images';
import type { Subject } from './subject';
import { fileName, openSubject } from './subject';

const say = (line: string) => void process.stdout.write(`${line}\n`);
const warn = (line: string) => say(`Warning: ${line}`);

/** Images of a model, where nobody says how many. */
const DRAWN = 1024;
/** Fewer images than these mislead. */
const ENOUGH = 1000;

/** Measures models and pictures, prints what comes out, and writes it. */
export async function run(paths: readonly string[], settings: Settings): Promise<void> {
  const execution = await prepareExecution(settings.backend);
  const subjects: Subject[] = [];
  for (const path of paths) subjects.push(await openSubject(path, settings, warn));
  say(execution.reason);
  const images = await openReal(settings, subjects);
  const { bitsPerDim } = settings;
  if (bitsPerDim !== undefined) return measureBits(subjects, { ...settings, bitsPerDim }, execution, images, say);
  const { layout, range, output } = settings;
  const network = await openFeatures(settings.features, execution, { onnx: { layout, range, output } });
  for (const { name, shape } of subjects) {
    if (shape.join() !== images.train.shape.join())
      throw new Error(
        `${name} has images of ${shape.join('×')}, but those of ${images.dataset} are ${images.train.shape.join('×')}; --image-size and --channels change the latter`,
      );
  }
  const works = await Promise.all(subjects.map((subject) => workOf(subject, execution, settings)));
  for (const { n, subject } of works)
    if (n < ENOUGH)
      warn(
        `${subject.name}: ${n} images are few; a Fréchet distance of fewer than ${ENOUGH} is mostly chance and bias`,
      );
  try {
    await sayHowLong(works);
    const real = await references(images, network);
    const results: Result[] = [];
    for (const work of works) results.push(await evaluate(work, real, network, settings));
    const [{ features, reference }] = results;
    say(
      `Features: ${features.name} (${features.hash}), ${features.width} of each image; compared with ${reference.n.toLocaleString('en')} training images of ${reference.dataset}; seed ${settings.seed}`,
    );
    say(resultTable(results));
  } finally {
    for (const { drawing } of works) await drawing?.dispose();
    await network.dispose();
  }
}

/** A subject, and how many images of it are measured. */
type Work = { readonly subject: Subject; readonly n: number; readonly drawing?: Drawing };

async function workOf(subject: Subject, execution: Execution, settings: Settings): Promise<Work> {
  const { count } = settings;
  if (subject.kind === 'model') {
    const n = count ?? DRAWN;
    try {
      return { subject, n, drawing: await prepareDrawing(subject.denoiser, n, execution, settings) };
    } catch (error) {
      throw new Error(`${subject.name}: ${(error as Error).message}`, { cause: error });
    }
  }
  const { size } = subject.images;
  if (count !== undefined && count > size) throw new Error(`${subject.name} has ${size} images, fewer than ${count}`);
  return { subject, n: count ?? size };
}

/** What takes longest is drawing. */
async function sayHowLong(works: readonly Work[]): Promise<void> {
  let seconds = 0;
  for (const { drawing } of works) if (drawing) seconds += drawing.work * (await drawing.secondsEach());
  if (seconds > 0) say(`Drawing will take about ${formatSeconds(seconds)}`);
}

/** Real images as the network sees them. */
interface Real {
  readonly reference: Reference;
  readonly test?: Reference;
}

/** The training images, and those of the test split where there is one. */
async function references({ dataset, train, test }: RealImages, network: FeatureNetwork): Promise<Real> {
  const open = async (what: string, images: Dataset) => {
    const progress = startedLate(`Features of the ${what} images, kept for the next time`, images.size);
    try {
      return await openReference(dataset, images, network, { onProgress: (done) => progress.update(done) });
    } finally {
      progress.stop();
    }
  };
  return { reference: await open('training', train), ...(test && { test: await open('test', test) }) };
}

/** Draws the images of a model, measures them, and writes what comes out. */
async function evaluate(
  { subject, n, drawing }: Work,
  real: Real,
  network: FeatureNetwork,
  settings: Settings,
): Promise<Result> {
  const { seed, out } = settings;
  const images = await imagesOf({ subject, n, drawing }, seed);
  const progress = startedLate(`Features of ${subject.name}`, n);
  const seen = await see(network, images, { onProgress: (done) => progress.update(done) });
  progress.stop();
  const { reference } = real;
  const result: Result = {
    of: subject.name,
    ...(subject.kind === 'model' && { step: subject.step }),
    seed,
    ...(drawing && { how: drawing.how }),
    features: { name: network.name, hash: network.hash, width: seen.features.width },
    reference: { dataset: reference.name, n: reference.images.size },
    ...measure(network, images, seen, reference, { seed }),
    floor: await floorOf(network, real, n, { seed }),
  };
  const folder = out ?? (subject.kind === 'model' ? subject.run : undefined);
  if (folder !== undefined) {
    await makeFolder(folder);
    const picture = await neighboursPicture(images, seen.features, reference);
    const shown = enlarge(picture, picture.width < 500 ? 2 : 1);
    const png = encodePng(shown);
    const path = join(folder, out === undefined ? 'neighbours.png' : `neighbours-${fileName(subject)}.png`);
    await writeFileAtomic(path, png);
    say(`Nearest training images: ${path}`);
    say(`Results: ${await addResults(folder, [result])}`);
    if (out === undefined) await addToRun(folder, result, { ...shown, png });
  }
  return result;
}

/** What is measured: drawn, or taken by chance from the images that there are. */
async function imagesOf({ subject, n, drawing }: Work, seed: number): Promise<Dataset> {
  if (subject.kind === 'images') return someOf(subject.images, n, seed);
  const progress = createProgress({ label: `Drawing ${n} images of ${subject.name}`, total: drawing!.work });
  try {
    return await drawing!.draw((done) => progress.update(done));
  } finally {
    progress.stop();
  }
}

/** A bar that is shown once there is something to say. */
function startedLate(label: string, total: number) {
  let bar: ReturnType<typeof createProgress> | undefined;
  return {
    update(done: number) {
      bar ??= createProgress({ label, total });
      bar.update(done);
    },
    stop: () => bar?.stop(),
  };
}

/** Adds what was measured of a run to its report, where there is one, and to TensorBoard's events. */
async function addToRun(
  folder: string,
  result: Result,
  neighbours: { readonly png: Uint8Array; readonly width: number; readonly height: number },
): Promise<void> {
  const path = join(folder, 'report.html');
  const report = await readFile(path, 'utf8').catch(() => undefined);
  if (report !== undefined) {
    await writeFileAtomic(path, withEvaluation(report, evaluationSection(await readResults(folder), neighbours.png)));
    say(`Report: ${path}`);
  }
  const { step = 0 } = result;
  const events = createEventWriter(join(folder, 'tensorboard'));
  try {
    // As the trainer counts them: the last step is the one before.
    for (const [name, value] of Object.entries(curvesOf(result))) events.scalar(name, Math.max(0, step - 1), value);
    events.image('neighbours', step, neighbours);
  } finally {
    events.close();
  }
}
