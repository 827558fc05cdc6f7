import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { agree, UsageError, weightsHash } from '@ddpm/app-common';
import type { Dataset } from '@ddpm/datasets';
import { arrayDataset, readExamples } from '@ddpm/datasets';
import { someOf } from '@ddpm/evaluation';
import type { Execution } from '@ddpm/execution';
import { toBytes } from '@ddpm/images';
import type { Denoiser } from '@ddpm/models';
import { lowResCondition, resized } from '@ddpm/models';
import type { Drawing, Enlarging, Wanted } from './draw-images';
import { prepareDrawing } from './draw-images';
import type { Settings } from './options';
import type { RealImages } from './real-images';
import type { Subject } from './subject';
import { openSubject } from './subject';
import { prepareModel } from './words';

/** How noisy small pictures are made where nobody says, if the model knows as much. */
const AUGMENTATION = 0.1;
/** The name of real images, made small. */
const REAL = 'real';

type Model = Subject & { readonly kind: 'model' };

/** A stage of a cascade, with all that comes before it. */
export interface Cascade {
  readonly drawing: Drawing;
  /** The model of the small pictures, in words. */
  readonly base: string;
  /** The first denoiser, which is told classes or captions; none where the small pictures are real. */
  readonly first?: Denoiser;
  /** The ways to enlarge them that are to be compared: bicubic interpolation comes last. */
  readonly enlargings: readonly Enlarging[];
}

/**
 * Prepares a stage of a cascade to draw, of small pictures that the model of `--base` draws, or the one in its folder, or
 * of real ones made small.
 * @throws Error in one line if there is no such model, its pictures are of another size, or there is more noise than the
 * stage knows
 */
export async function openCascade(
  stage: Model,
  { base: asked, augmentation: levels, ...settings }: Settings,
  images: RealImages,
  execution: Execution,
): Promise<Cascade> {
  const { denoiser, name, run } = stage;
  const { maxAugmentation, size } = denoiser.lowRes!;
  const augmentations = levels ?? [Math.min(AUGMENTATION, maxAugmentation)];
  const most = Math.max(...augmentations);
  if (most > maxAugmentation)
    throw new UsageError(`--augmentation: ${name} knows levels from 0 to ${maxAugmentation}, got ${most}`);
  const path = asked ?? join(run ?? '.', 'base');
  if (asked === undefined && !existsSync(path))
    throw new UsageError(
      `${name} makes large images of small ones, of ${size.join('×')}: name by --base the model that draws those, or real, or put its run into ${run ?? '.'} as base`,
    );
  if (path === REAL && settings.guidance) throw new UsageError('--guidance is of models that draw, not of --base real');
  const below = path === REAL ? { drawing: realDrawing(denoiser, images, settings) } : await openBase();
  async function openBase(): Promise<Pick<Cascade, 'drawing' | 'first'>> {
    const opened = await openSubject(path, {}, () => undefined);
    const expected = [...size, denoiser.image[2]].join('×');
    if (opened.kind !== 'model') throw new UsageError(`--base must name a model, or real; ${path} is of images`);
    if (opened.shape.join('×') !== expected)
      throw new Error(`${path} draws images of ${opened.shape.join('×')}, and ${name} takes ${expected}`);
    await agree(() => ({ 'the base': weightsHash(opened.denoiser.parameters) }));
    if (opened.denoiser.lowRes) return openCascade(opened, settings, images, execution);
    return { drawing: await prepareModel(opened, execution, settings), first: opened.denoiser };
  }
  const own = await prepareDrawing(denoiser, execution, { ...settings, guidance: undefined, textEncoder: undefined });
  return {
    drawing: stagedDrawing(denoiser, own, below.drawing, { seed: settings.seed, usual: augmentations[0] }),
    base: path,
    ...(below.first && { first: below.first }),
    enlargings: [...augmentations.map((augmentation) => ({ augmentation })), 'bicubic'],
  };
}

/** Draws small pictures first, and then large ones of them. */
function stagedDrawing(
  denoiser: Denoiser,
  own: Drawing,
  base: Drawing,
  { seed, usual }: { seed: number; usual: number },
): Drawing {
  const [h, w, c] = denoiser.image;
  const small = [...denoiser.lowRes!.size, c] as const;
  /** The small pictures of what was wanted last: they are the same for all ways to enlarge them. */
  let last: { readonly of: string; readonly pictures: Dataset } | undefined;
  const keyOf = ({ enlarging: _, ...wanted }: Wanted) => JSON.stringify(wanted);
  const below = (wanted: Wanted): Wanted => ({ ...wanted, enlarging: undefined });
  const above = ({ count }: Wanted): Wanted => ({ count });
  const enlargingOf = ({ enlarging = { augmentation: usual } }: Wanted) => enlarging;
  const isBicubic = (wanted: Wanted) => enlargingOf(wanted) === 'bicubic';
  return {
    ...(own.how && { how: own.how }),
    work: (wanted) => base.work(below(wanted)) + (isBicubic(wanted) ? 0 : own.work(above(wanted))),
    async seconds(wanted) {
      if (isBicubic(wanted)) return 0;
      // Small pictures are drawn once for all ways to enlarge them.
      const { augmentation } = enlargingOf(wanted) as { augmentation: number };
      return (await own.seconds(above(wanted))) + (augmentation === usual ? await base.seconds(below(wanted)) : 0);
    },
    async draw(wanted, onProgress) {
      const before = base.work(below(wanted));
      if (last?.of !== keyOf(wanted))
        last = { of: keyOf(wanted), pictures: await base.draw(below(wanted), onProgress) };
      onProgress(before);
      const { pictures } = last;
      const values = await valuesOf(pictures);
      const enlarging = enlargingOf(wanted);
      if (enlarging === 'bicubic')
        return withClassesOf(pictures, toBytes(resized(values, small, [h, w])), denoiser.image);
      const given = lowResCondition(values, denoiser, { ...enlarging, seed });
      const large = await own.draw(above(wanted), (done) => onProgress(before + done), given);
      return withClassesOf(pictures, toBytes(await valuesOf(large)), denoiser.image);
    },
    dispose: async () => void (await Promise.all([own.dispose(), base.dispose()])),
  };
}

/** Real images made small, by chance from those that are held out, if there are such. */
function realDrawing(
  { lowRes, image: [, , c] }: Denoiser,
  { train, test = train }: RealImages,
  { seed }: Pick<Settings, 'seed'>,
): Drawing {
  const { size } = lowRes!;
  return {
    work: () => 0,
    seconds: () => Promise.resolve(0),
    async draw({ count }) {
      if (count > test.size) throw new Error(`--base real: there are ${test.size} real images, fewer than ${count}`);
      const images = someOf(test, count, seed);
      const small = toBytes(resized(await valuesOf(images), images.shape, size));
      return withClassesOf(images, small, [...size, c]);
    },
    dispose: () => Promise.resolve(),
  };
}

/** All of a dataset's images, [n, h, w, c] in [−1, 1]. */
const valuesOf = async (images: Dataset): Promise<Float32Array> =>
  (
    await readExamples(
      images,
      Int32Array.from({ length: images.size }, (_, i) => i),
    )
  ).image.data;

/** Images with the classes of others. */
function withClassesOf(of: Dataset, pixels: Uint8Array, shape: Dataset['shape']): Dataset {
  const { size, classNames } = of;
  const labels = classNames && Int32Array.from({ length: size }, (_, i) => of.label!(i));
  return arrayDataset({ pixels, shape, ...(labels && { labels, classNames }) });
}
