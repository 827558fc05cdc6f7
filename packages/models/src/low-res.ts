import { resize } from '@ddpm/datasets/browser';
import { augmented } from '@ddpm/diffusion';
import { fromBytes, toBytes } from '@ddpm/images';
import { Random } from '@ddpm/random';
import type { Batch } from '@ddpm/train';
import type { DenoiserMeaning } from './meaning';

/** Pictures in [−1, 1], one after the other, brought to another size, as datasets bring theirs: by bicubic interpolation. */
export function resized(
  pictures: Float32Array,
  shape: readonly [h: number, w: number, c: number],
  [height, width]: readonly [h: number, w: number],
): Float32Array {
  const size = shape[0] * shape[1] * shape[2];
  const n = pictures.length / size;
  const out = new Float32Array(n * height * width * shape[2]);
  for (let i = 0; i < n; i++) {
    const bytes = toBytes(pictures.subarray(i * size, (i + 1) * size));
    out.set(fromBytes(resize(bytes, shape, [height, width])), (i * out.length) / n);
  }
  return out;
}

/**
 * The conditions `lowRes` and `augmentation` of small pictures, for a model that makes large ones of them.
 * @param pictures of the model's small size, in [−1, 1], one after the other
 * @param options.augmentation how much noise is added to them, the level s of `augmented`
 * @param options.seed picture i's noise is that of `new Random([seed, 'augmentation', i])`
 * @throws RangeError unless there are whole pictures, and the model knows the level
 */
export function lowResCondition(
  pictures: Float32Array,
  { image: [h, w, c], lowRes }: Pick<DenoiserMeaning, 'image' | 'lowRes'>,
  { augmentation, seed }: { augmentation: number; seed: number },
): Batch {
  if (!lowRes) throw new RangeError('lowResCondition: the model makes its images of noise alone');
  const { size, maxAugmentation } = lowRes;
  if (!(augmentation >= 0 && augmentation <= maxAugmentation))
    throw new RangeError(
      `the augmentation must be from 0 to ${maxAugmentation}, which the model knows; got ${augmentation}`,
    );
  const n = pictures.length / (size[0] * size[1] * c);
  if (!Number.isInteger(n))
    throw new RangeError(`lowResCondition: ${pictures.length} values are no pictures of ${[...size, c].join('×')}`);
  const large = resized(pictures, [...size, c], [h, w]);
  const data = new Float32Array(large.length);
  for (let i = 0; i < n; i++) {
    const [start, end] = [i * h * w * c, (i + 1) * h * w * c];
    data.set(augmented(large.subarray(start, end), augmentation, new Random([seed, 'augmentation', i])), start);
  }
  return {
    lowRes: { data, item: [h, w, c] },
    augmentation: { data: new Float32Array(n).fill(augmentation), item: [] },
  };
}
