import type { Batch } from '@ddpm/train';
import type { DenoiserMeaning } from './meaning';

/** A picture, and which of it is to be drawn. */
export interface KnownPart {
  /** [h, w, c] in [−1, 1]. */
  readonly image: Float32Array;
  /** [h, w, 1], 0 where it is known; whatever is above 0 is to be drawn. */
  readonly mask: Float32Array;
}

/**
 * The conditions `known` and `mask` of so many images, for a model that has learned inpainting: the picture with zeros
 * where it is to be drawn, and where that is. Without a picture nothing is known, and all is drawn.
 * @throws RangeError unless the picture and the mask are of the size of the model's images
 */
export function knownCondition(
  { image: [h, w, c] }: Pick<DenoiserMeaning, 'image'>,
  count: number,
  { image, mask }: KnownPart = { image: new Float32Array(h * w * c), mask: new Float32Array(h * w).fill(1) },
): Batch {
  if (image.length !== h * w * c || mask.length !== h * w)
    throw new RangeError(
      `knownCondition: expected a picture of ${h}×${w}×${c} and a mask of ${h}×${w}, got ${image.length} and ${mask.length} values`,
    );
  const masks = mask.map((value) => (value > 0 ? 1 : 0));
  const known = image.map((value, i) => (masks[Math.floor(i / c)] === 1 ? 0 : value));
  const all = { known: new Float32Array(count * known.length), mask: new Float32Array(count * masks.length) };
  for (let i = 0; i < count; i++) {
    all.known.set(known, i * known.length);
    all.mask.set(masks, i * masks.length);
  }
  return { known: { data: all.known, item: [h, w, c] }, mask: { data: all.mask, item: [h, w, 1] } };
}
