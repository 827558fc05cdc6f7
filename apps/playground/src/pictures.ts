import { imageGrid, toImageData } from '@ddpm/images';

/** Shows images [n, h, w, c], bytes, on a canvas, in rows of so many. */
export function showGrid(
  canvas: HTMLCanvasElement,
  bytes: Uint8Array,
  [height, width, channels]: readonly [h: number, w: number, c: number],
  columns: number,
  padding?: number,
): void {
  const size = height * width * channels;
  const images = Array.from({ length: bytes.length / size }, (_, i) => ({
    ...{ width, height, channels: channels as 1 | 3 | 4 },
    data: bytes.subarray(i * size, (i + 1) * size),
  }));
  const grid = imageGrid(images, { columns, padding });
  if (canvas.width !== grid.width || canvas.height !== grid.height)
    Object.assign(canvas, { width: grid.width, height: grid.height });
  canvas.getContext('2d')!.putImageData(toImageData(grid), 0, 0);
}
