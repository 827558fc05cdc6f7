import type { Dataset } from './dataset';
import { arrayDataset } from './dataset';
import type { IdxArray } from './idx';

/**
 * The dataset of IDX images, [n, h, w] or [n, h, w, c], and labels [n].
 * @throws RangeError if the shapes do not fit together
 */
export function idxDataset(images: IdxArray, labels?: IdxArray, classNames?: readonly string[]): Dataset {
  const [n, h, w, c = 1] = images.shape;
  if (![3, 4].includes(images.shape.length) || !(h * w > 0) || ![1, 3, 4].includes(c)) {
    throw new RangeError(`IDX: images have shape [n, h, w] or [n, h, w, 1, 3 or 4], got [${images.shape.join(', ')}]`);
  }
  if (labels && (labels.shape.length !== 1 || labels.shape[0] !== n)) {
    throw new RangeError(`IDX: ${n} images need labels of shape [${n}], got [${labels.shape.join(', ')}]`);
  }
  return arrayDataset({ pixels: images.data, shape: [h, w, c], labels: labels?.data, classNames });
}
