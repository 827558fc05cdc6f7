import type { Dataset } from '@ddpm/datasets';
import type { ByteImage, Channels } from '@ddpm/images';
import { imageGrid } from '@ddpm/images';
import type { Features } from '@ddpm/metrics';
import { nearestNeighbours } from '@ddpm/metrics';
import type { Reference } from './reference';

/**
 * The first images, one a row, and beside each those of the reference that are nearest by their features: whether a
 * model draws anew, or from memory.
 * @param features of the images
 * @param options.rows how many images
 * @param options.k how many neighbours of each
 */
export async function neighboursPicture(
  images: Dataset,
  features: Features,
  reference: Reference,
  { rows = 10, k = 8 }: { rows?: number; k?: number } = {},
): Promise<ByteImage> {
  const count = Math.min(rows, images.size);
  const most = Math.min(k, reference.images.size);
  const { width } = features;
  const first = { data: features.data.subarray(0, count * width), width };
  const { indices } = nearestNeighbours(first, reference.seen.features, { k: most });
  const cells: ByteImage[] = [];
  for (let i = 0; i < count; i++) {
    cells.push(await asImage(images, i));
    for (const j of indices.subarray(i * most, (i + 1) * most)) cells.push(await asImage(reference.images, j));
  }
  return imageGrid(cells, { columns: 1 + most });
}

async function asImage({ shape: [height, width, c], ...dataset }: Dataset, i: number): Promise<ByteImage> {
  return { width, height, channels: c as Channels, data: await dataset.image(i) };
}
