/* Pictures of whatever kind the browser opens, as pixels; for a worker, since it takes a while. */

/** RGBA bytes, on white. */
export function toPixels(source: CanvasImageSource, width: number, height: number): Uint8ClampedArray {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d', { willReadFrequently: true })!;
  context.fillStyle = 'white';
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = 'high';
  context.drawImage(source, 0, 0, width, height);
  return context.getImageData(0, 0, width, height).data;
}

/** The middle of a picture, as wide as it is high, in a size, as RGBA bytes; undefined if the file is no picture. */
export async function squarePixels(
  file: Blob,
  [height, width]: readonly [h: number, w: number],
): Promise<Uint8ClampedArray | undefined> {
  const bitmap = await createImageBitmap(file).catch(() => undefined);
  if (!bitmap) return undefined;
  const side = Math.min(bitmap.width, bitmap.height);
  const [left, top] = [(bitmap.width - side) / 2, (bitmap.height - side) / 2];
  const square = await createImageBitmap(bitmap, left, top, side, side, {
    ...{ resizeWidth: width, resizeHeight: height, resizeQuality: 'high' },
  });
  return toPixels(square, width, height);
}
