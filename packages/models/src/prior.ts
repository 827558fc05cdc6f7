import type { Checkpoint } from '@ddpm/checkpoint/format';
import type { Moments, Prior } from '@ddpm/diffusion';
import { matched, showsImages, standard } from '@ddpm/diffusion';
import type { DenoiserMeaning } from './meaning';

/** The names of priors on a command line. */
export const priorNames = ['standard', 'matched'] as const;
/** One of them. */
export type PriorName = (typeof priorNames)[number];

type Measured = NonNullable<Checkpoint['measured']>;
const NAMES = ['mean', 'directions', 'variances', 'rest'] as const;

/** The moments of a model's images by the names that they have in a checkpoint. */
export const momentsToMeasured = (moments: Moments): Measured =>
  new Map(NAMES.map((name) => [`prior.${name}`, moments[name]]));

/**
 * The moments of a model's images, if a checkpoint holds them.
 * @throws Error in one line if they are not as expected
 */
export function momentsFromMeasured(
  measured: Measured = new Map(),
  image: readonly [h: number, w: number, c: number],
): Moments | undefined {
  const given = NAMES.map((name) => measured.get(`prior.${name}`));
  const [mean, directions, variances, rest] = given;
  if (!mean || !directions || !variances || !rest) {
    if (given.every((tensor) => tensor === undefined)) return undefined;
    throw new Error(`it holds a part of a prior: ${NAMES.filter((_, i) => !given[i]).join(', ')} missing`);
  }
  const [groups, k] = variances.shape;
  const expected = {
    mean: [groups, ...image],
    directions: [groups, k, ...image],
    variances: [groups, k],
    rest: [groups],
  };
  NAMES.forEach((name, i) => {
    const shape = given[i]!.shape;
    if (shape.join() !== expected[name].join())
      throw new Error(`its prior.${name} is [${shape.join(', ')}], where [${expected[name].join(', ')}] is expected`);
  });
  return { mean, directions, variances, rest };
}

/**
 * Where a model's x_T comes from. Where nobody says, it is `matched` if so much of the images is left at the noisiest
 * level that noise alone is another thing, and it is known what they are like.
 * @throws RangeError if `matched` is asked for, and it is not known
 */
export function choosePrior(
  { levels, image, moments }: Pick<DenoiserMeaning, 'levels' | 'image'> & { readonly moments?: Moments },
  asked?: PriorName,
): { name: PriorName; prior: Prior } {
  if (asked === 'matched' && !moments)
    throw new RangeError('this model does not say what its images are like, which a matched prior needs');
  const shows = showsImages(levels.noisiest, image[0] * image[1] * image[2]);
  if (moments && (asked ?? (shows ? 'matched' : 'standard')) === 'matched')
    return { name: 'matched', prior: matched(moments) };
  return { name: 'standard', prior: standard };
}
