import { readPicture } from '@ddpm/datasets';
import { fromBytes } from '@ddpm/images';

type Shape = readonly [h: number, w: number, c: number];

/** Where pictures come from, as a model has its images. */
export interface Pictures {
  readonly readImage: (path: string, shape: Shape) => Promise<Float32Array>;
  readonly readMasked: (
    path: string,
    maskPath: string,
    shape: Shape,
  ) => Promise<{ image: Float32Array; mask: Float32Array }>;
}

/** A picture of somebody's, as a model has its images: [h, w, c] in [−1, 1]. */
export async function readImage(path: string, shape: Shape): Promise<Float32Array> {
  return fromBytes((await readPicture(path, { shape })).pixels);
}

/** A picture, and a mask of the same size: [h, w, 1], 1 where it is white, 0 where it is black. */
export async function readMasked(
  path: string,
  maskPath: string,
  shape: Shape,
): Promise<{ image: Float32Array; mask: Float32Array }> {
  const picture = await readPicture(path, { shape });
  const mask = await readPicture(maskPath, { shape: [shape[0], shape[1], 1] });
  if (mask.height !== picture.height || mask.width !== picture.width)
    throw new Error(
      `${maskPath} is ${mask.width}×${mask.height}, and ${path} ${picture.width}×${picture.height}: a mask must have the size of its picture`,
    );
  return { image: fromBytes(picture.pixels), mask: Float32Array.from(mask.pixels, (byte) => byte / 255) };
}
