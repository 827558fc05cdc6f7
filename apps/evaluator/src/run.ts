import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Result } from '@ddpm/app-common';
import {
  UsageError,
  addResults,
  attributeTable,
  agree,
  createEventWriter,
  createProgress,
  curvesOf,
  evaluationSection,
  formatSeconds,
  isFirst,
  openExecution,
  readResults,
  resultTable,
  undivided,
  weightsHash,
  withEvaluation,
} from '@ddpm/app-common';
import { makeFolder, writeFileAtomic } from '@ddpm/checkpoint';
import type { Dataset } from '@ddpm/datasets';
import { subset } from '@ddpm/datasets';
import type { FeatureNetwork, Reference } from '@ddpm/evaluation';
import {
  defaultFeatures,
  floorOf,
  isKept,
  measure,
  neighboursPicture,
  openFeatures,
  openReference,
  orderOf,
  see,
  someOf,
} from '@ddpm/evaluation';
import type { Execution } from '@ddpm/execution';
import { enlarge } from '@ddpm/images';
import { encodePng } from '@ddpm/images/png';
import { measureBits } from './bits-per-dim';
import type { Attributes, Order, Orders } from './attributes';
import { openOrders, readAttributes } from './attributes';
import { openCascade } from './cascade';
import type { Drawing, Enlarging, Wanted } from './draw-images';
import { takesWords } from './draw-images';
import type { Settings } from './options';
import type { RealImages } from './real-images';
import { openReal } from './real-images';
import type { Subject } from './subject';
import { fileName, openSubject } from './subject';
import { prepareModel } from './words';

const say = (line: string) => void process.stdout.write(`${line}\n`);
const warn = (line: string) => say(`Warning: ${line}`);

/** Images of a model, where nobody says how many. */
const DRAWN = 1024;
/** Fewer images than these mislead. */
const ENOUGH = 1000;

/** Measures models and pictures, prints what comes out, and writes it. */
export async function run(paths: readonly string[], settings: Settings): Promise<void> {
  const execution = await openExecution(settings.backend, () => ({ ...settings, paths }));
  const subjects: Subject[] = [];
  for (const path of paths) subjects.push(await openSubject(path, settings, warn));
  await agree(() => Object.fromEntries(subjects.map((subject) => [subject.name, weightsOf(subject)])));
  say(execution.reason);
  const images = await openReal(settings, subjects);
  const { bitsPerDim } = settings;
  if (bitsPerDim !== undefined) return measureBits(subjects, { ...settings, bitsPerDim }, execution, images, say);
  const { layout, range, output, features = defaultFeatures(images.train.shape) } = settings;
  const network = await openFeatures(features, undivided(execution), { onnx: { layout, range, output } });
  for (const { name, shape } of subjects) {
    if (shape.join() !== images.train.shape.join())
      throw new Error(
        `${name} has images of ${shape.join('×')}, but those of ${images.dataset} are ${images.train.shape.join('×')}; --image-size and --channels change the latter`,
      );
  }
  // One after the other: processes that compute together meet in the same order.
  const works: Work[] = [];
  for (const subject of subjects) works.push(await workOf(subject, images, execution, settings));
  for (const { n, subject } of works)
    if (n < ENOUGH)
      warn(
        `${subject.name}: ${n} images are few; a Fréchet distance of fewer than ${ENOUGH} is mostly chance and bias`,
      );
  try {
    await sayHowLong(works, images, network);
    const real = await references(images, network);
    const results: Result[] = [];
    for (const work of works) results.push(...(await evaluate(work, real, network, settings)));
    const [{ features: by, reference }] = results;
    say(
      `Features: ${by.name} (${by.hash}), ${by.width} of each image; compared with ${reference.n.toLocaleString('en')} training images of ${reference.dataset}; seed ${settings.seed}`,
    );
    say(resultTable(results));
    const attributes = attributeTable(results);
    if (attributes !== undefined) say(attributes);
  } finally {
    for (const { drawing } of works) await drawing?.dispose();
    await network.dispose();
  }
}

/** A hash of what draws, where a model does. */
const weightsOf = (subject: Subject) =>
  subject.kind === 'model' ? weightsHash(subject.denoiser.parameters) : subject.images.size;

/** A subject, and which images of it are measured. */
interface Work {
  readonly subject: Subject;
  readonly n: number;
  readonly drawing?: Drawing;
  /** Of a stage of a cascade: the model that draws the small pictures. */
  readonly base?: string;
  /** The images of a model, once for each scale of guidance, and of each way to enlarge small ones. */
  readonly wanted: readonly Wanted[];
  /** Of a model that draws portraits from words: what they are to show, and from how many that is read. */
  readonly portraits?: { readonly orders: Orders; readonly n: number };
}

async function workOf(subject: Subject, images: RealImages, execution: Execution, settings: Settings): Promise<Work> {
  const { count, seed, guidance = [undefined] } = settings;
  if (subject.kind === 'images') {
    const { size } = subject.images;
    if (count !== undefined && count > size) throw new Error(`${subject.name} has ${size} images, fewer than ${count}`);
    return { subject, n: count ?? size, wanted: [{ count: count ?? size }] };
  }
  const n = count ?? DRAWN;
  const read = Math.min(n, settings.attributes);
  const { lowRes } = subject.denoiser;
  const cascade = lowRes && (await openCascade(subject, settings, images, execution));
  const asked = (['base', 'augmentation'] as const).find((name) => !lowRes && settings[name] !== undefined);
  if (asked) throw new UsageError(`--${asked} is for a stage of a cascade, and ${subject.name} is none`);
  const told = cascade ? cascade.first : subject.denoiser;
  const words = told !== undefined && takesWords(told);
  const checked = words && images.dataset === 'pixel-art' && subject.shape.join() === '16,16,3' && read > 0;
  const orders = checked ? await openOrders({ seen: n, heldOut: read }, seed) : undefined;
  const captions = words ? (orders?.seen.captions ?? captionsOf(images, n, seed)) : undefined;
  try {
    return {
      ...{ subject, n, drawing: cascade?.drawing ?? (await prepareModel(subject, execution, settings)) },
      ...(cascade && { base: cascade.base }),
      wanted: guidance.flatMap((scale) =>
        (cascade?.enlargings ?? [undefined]).map((enlarging) => ({ count: n, captions, guidance: scale, enlarging })),
      ),
      ...(orders && { portraits: { orders, n: read } }),
    };
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new Error(`${subject.name}: ${(error as Error).message}`, { cause: error });
  }
}

/** The first caption of so many images, drawn by chance from the test split, or, where there is none, the training images. */
function captionsOf({ dataset, train, test }: RealImages, n: number, seed: number): string[] {
  const from = test ?? train;
  if (!from.captions) throw new Error(`the model draws from words, and ${dataset} has no captions here`);
  const numbers = orderOf(from.size, seed);
  return Array.from({ length: n }, (_, i) => from.captions!(numbers[i % numbers.length])[0]);
}

/** Says about how long drawing takes, and the features of what is drawn and of real images that were not kept. */
async function sayHowLong(works: readonly Work[], { train, test }: RealImages, network: FeatureNetwork): Promise<void> {
  let [drawing, images] = [0, 0];
  for (const { n, drawing: by, wanted, portraits } of works) {
    images += n * wanted.length;
    if (!by) continue;
    for (const one of wanted) {
      drawing += await by.seconds(one);
      // Of combinations that training lacked, and in other words.
      if (portraits) drawing += 2 * (await by.seconds({ ...one, count: portraits.n }));
    }
  }
  for (const real of [train, ...(test ? [test] : [])]) if (!(await isKept(real, network))) images += real.size;
  const features = images * (await secondsOfFeatures(train, network));
  const parts = [
    ...(drawing > 0 ? [`drawing ${formatSeconds(drawing)}`] : []),
    `features of ${images.toLocaleString('en')} images ${formatSeconds(features)}`,
  ];
  say(`It will take about ${formatSeconds(drawing + features)}: ${parts.join(', ')}`);
}

/** About how long the features of an image take, by trying some, after a call that made everything ready. */
async function secondsOfFeatures(images: Dataset, network: FeatureNetwork): Promise<number> {
  const some = subset(images, 0, Math.min(images.size, 100));
  let start = 0;
  for (let i = 0; i < 2; i++) {
    start = performance.now();
    await see(network, some);
  }
  return (performance.now() - start) / 1000 / some.size;
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

/**
 * Draws the images of a model, measures them, and writes what comes out: a result for each scale of guidance, and of a
 * stage of a cascade for each way to enlarge small pictures.
 */
async function evaluate(work: Work, real: Real, network: FeatureNetwork, settings: Settings): Promise<Result[]> {
  const { subject, n, wanted } = work;
  const { seed, out } = settings;
  const folder = out ?? (subject.kind === 'model' ? subject.run : undefined);
  const { reference } = real;
  const results: Result[] = [];
  for (const [number, one] of wanted.entries()) {
    const images = await imagesOf(work, one, seed);
    const progress = startedLate(`Features of ${subject.name}`, n);
    const seen = await see(network, images, { onProgress: (done) => progress.update(done) });
    progress.stop();
    const { guidance, enlarging } = one;
    const how = enlarging === 'bicubic' ? undefined : work.drawing?.how;
    const result: Result = {
      of: subject.name,
      ...(subject.kind === 'model' && { step: subject.step }),
      seed,
      ...(how && { how: { ...how, ...(guidance !== undefined && !enlarging && { guidance }) } }),
      ...(work.base !== undefined && enlarging && { cascade: { base: work.base, ...cascadeOf(enlarging, guidance) } }),
      features: { name: network.name, hash: network.hash, width: seen.features.width },
      reference: { dataset: reference.name, n: reference.images.size },
      ...measure(network, images, seen, reference, { seed }),
      ...(work.portraits && { attributes: await attributesOf(work, images, one) }),
      floor: await floorOf(network, real, n, { seed }),
    };
    results.push(result);
    if (folder === undefined || !isFirst) continue;
    await makeFolder(folder);
    say(`Results: ${await addResults(folder, [result])}`);
    // Pictures and curves are of the first.
    if (number > 0) continue;
    const picture = await neighboursPicture(images, seen.features, reference);
    const shown = enlarge(picture, picture.width < 500 ? 2 : 1);
    const png = encodePng(shown);
    const path = join(folder, out === undefined ? 'neighbours.png' : `neighbours-${fileName(subject)}.png`);
    await writeFileAtomic(path, png);
    say(`Nearest training images: ${path}`);
    if (out === undefined) await addToRun(folder, result, { ...shown, png });
  }
  return results;
}

/** How small pictures became large ones, as a result holds it; the scale of guidance is the base's. */
const cascadeOf = (enlarging: Enlarging, guidance?: number) => ({
  ...(enlarging === 'bicubic' ? { bicubic: true as const } : enlarging),
  ...(guidance !== undefined && { guidance }),
});

/** The images to measure: drawn, or taken by chance from those that there are. */
async function imagesOf({ subject, n, drawing }: Work, wanted: Wanted, seed: number): Promise<Dataset> {
  if (subject.kind === 'images') return someOf(subject.images, n, seed);
  const scale = wanted.guidance === undefined ? '' : `, guidance ${wanted.guidance}`;
  const total = drawing!.work(wanted);
  // Real images that are but made larger are drawn by nobody.
  const progress =
    total > 0 && createProgress({ label: `Drawing ${wanted.count} images of ${subject.name}${scale}`, total });
  try {
    return await drawing!.draw(wanted, (done) => progress && progress.update(done));
  } finally {
    if (progress) progress.stop();
  }
}

/** How far portraits show what was asked for, those that were drawn, others of combinations that training lacked, and in other words. */
async function attributesOf(work: Work, seen: Dataset, wanted: Wanted): Promise<Attributes> {
  const { orders, n } = work.portraits!;
  const drawn = async ({ captions }: Order) => imagesOf(work, { ...wanted, count: n, captions }, 0);
  const others = { heldOut: await drawn(orders.heldOut), unseenWords: await drawn(orders.unseenWords) };
  const progress = createProgress({ label: `Reading ${3 * n} portraits`, total: 3 * n });
  try {
    return await readAttributes({ seen, ...others }, orders, n, (done) => progress.update(done));
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
